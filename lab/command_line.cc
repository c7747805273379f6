#include "lab/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "src/base/text.h"

namespace truce::lab {

int Failed(const absl::Status& status) {
  std::fprintf(stderr, "truce-lab: %s\n", std::string(status.message()).c_str());
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

std::string Absolute(const std::string& directory) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(directory, error);
  return error ? directory : absolute.string();
}

absl::StatusOr<absl::Duration> ReadDuration(const std::string& flag, const std::string& text, absl::Duration least,
                                            absl::Duration most) {
  absl::Duration duration;
  if (absl::ParseDuration(text, &duration) && duration >= least && duration <= most) return duration;
  return absl::InvalidArgumentError(StrCat(flag, " ", text, " is no duration from ", absl::FormatDuration(least),
                                           " to ", absl::FormatDuration(most)));
}

CLI::Validator Between(double least, double most) {
  const auto check = [least, most](const std::string& text) {
    double value = 0;
    if (absl::SimpleAtod(text, &value) && value >= least && value <= most) return std::string();
    return StrCat(text, " is no number from ", least, " to ", most);
  };
  return CLI::Validator(check, StrCat("NUMBER in [", least, " - ", most, "]"));
}

CLI::Validator Seed() {
  const auto check = [](const std::string& text) {
    uint64_t seed = 0;
    return absl::SimpleAtoi(text, &seed) ? std::string() : text + " is no seed; give a whole number from 0 on";
  };
  return CLI::Validator(check, "SEED");
}

void AddFormat(CLI::App* command, OutputFormat& format) {
  command
      ->add_option_function<std::string>(
          "-o,--output", [&](const std::string& name) { format.json = name == "json"; }, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  command->add_flag("--check", format.check, "Exit with 1 when a target is missed");
}

}  // namespace truce::lab
