// The bash completion script, made from the command line's own tree so that it can't fall behind. parse.cc describes
// the tree.
#pragma once

#include <string>
#include <vector>

namespace truce::cli {

// One level of the command line.
struct CompletionNode {
  // The words that lead here, with one blank between: "get hosts"; empty for the top.
  std::string path;
  // What may follow: words and flags.
  std::vector<std::string> candidates;
  // A trucectl command whose lines may follow too ("get hosts -o name"), or empty.
  std::string dynamic;
};

// `value_flags` are those that take a value: the word after one is left to file completion.
std::string BashCompletionScript(const std::vector<CompletionNode>& nodes, const std::vector<std::string>& value_flags);

}  // namespace truce::cli
