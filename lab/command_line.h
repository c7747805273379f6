// What the commands of truce-lab have in common on the command line.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/base/figures.h"

namespace CLI {
class App;
class Validator;
}

namespace truce::lab {

// Says what went wrong on stderr; the exit code for it: 2 for wrong arguments, else 1.
int Failed(const absl::Status& status);

// From here on wherever this process goes; an empty name stays empty, and is refused by whoever needs the directory.
std::string Absolute(const std::string& directory);

// `text`, such as "8m", which `flag` was given; InvalidArgument unless it is a duration from `least` to `most`.
absl::StatusOr<absl::Duration> ReadDuration(const std::string& flag, const std::string& text, absl::Duration least,
                                            absl::Duration most);

// What an option is checked by: a number from `least` to `most`, which CLI11's own Range also takes "nan" for.
CLI::Validator Between(double least, double most);
// The same of a seed, which CLI11 would take -1 for.
CLI::Validator Seed();

// How figures are shown.
struct OutputFormat {
  bool json = false;
  // Exit with 1 when a target is missed.
  bool check = false;
  FigureFormat kind() const { return json ? FigureFormat::kJson : FigureFormat::kTable; }
};
// Adds -o and --check to `command`; `format` outlives the parsing.
void AddFormat(CLI::App* command, OutputFormat& format);

}  // namespace truce::lab
