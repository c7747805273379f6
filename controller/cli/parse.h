// trucectl's command line: which words and flags there are, what they mean, and what to say when they are wrong. Called
// by app.cc only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/cli/command.h"

namespace truce::cli {

// What came of the arguments: exactly one of the three is set.
struct Parsed {
  Command command = nullptr;
  // Asked for with --help.
  std::string help;
  // What is wrong, with the nearest word where one is near.
  std::string error;
};

// Fills *options from `environment` and then `arguments`. Never throws.
Parsed Parse(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment,
             Options* options);

}  // namespace truce::cli
