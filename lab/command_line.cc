#include "lab/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <system_error>

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

void AddFormat(CLI::App* command, OutputFormat& format) {
  command
      ->add_option_function<std::string>(
          "-o,--output", [&](const std::string& name) { format.json = name == "json"; }, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  command->add_flag("--check", format.check, "Exit with 1 when a target is missed");
}

}  // namespace truce::lab
