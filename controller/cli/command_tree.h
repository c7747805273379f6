// What can be told from the tree of words and flags once it is built: help, the right word for a wrong one, completion.
// Includes CLI11; for parse.cc only.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace truce::cli {

// Help with the examples (CLI11's footer) in front of the flags.
class ExamplesFirst final : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
};

// One line about the first word that names no command, or the flag before it that is none; "" when there is no such
// word.
std::string ExplainUnknown(const CLI::App& root, const std::vector<std::string>& arguments);

// One line that says what is wrong with `arguments` and where help is. Names the nearest word or flag where one is
// near.
std::string ExplainParseError(const CLI::App& root, const std::vector<std::string>& arguments,
                              const CLI::ParseError& error);

// The bash completion script for the tree.
std::string CompletionScriptOf(const CLI::App& root);

}  // namespace truce::cli
