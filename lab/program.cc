#include "lab/program.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_split.h"
#include "re2/re2.h"
#include "src/base/config.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {

absl::StatusOr<Program> ReadProgram(const std::string& file) {
  TRUCE_ASSIGN_OR_RETURN(const ConfigSource source, LoadConfigSource(file, "TRUCE_LAB_PROGRAM_", {}));
  Program program;
  program.name = std::filesystem::path(file).stem().string();
  program.text = source.text;
  ConfigReader reader(source);
  reader.Read("about", &program.about);
  reader.Read("kind", &program.kind);
  reader.Read("packages", &program.packages);
  reader.Read("needs", &program.needs);
  reader.Read("setup", &program.setup);
  reader.Read("operation", &program.operation);
  reader.Read("worker", &program.worker);
  reader.Read("run", &program.run);
  reader.Read("progress", &program.progress);
  if (program.kind.empty()) reader.Error("kind", "must say what kind of program this is, such as compression");
  const int ways = !program.operation.empty() + !program.worker.empty() + !program.run.empty();
  if (ways != 1) reader.Error("operation", "a program has exactly one of operation, worker and run");
  if (const re2::RE2 progress(program.progress, re2::RE2::Quiet); !progress.ok()) {
    reader.Error("progress", StrCat("is no regular expression: ", progress.error()));
  } else if (!program.progress.empty() && progress.NumberOfCapturingGroups() < 1) {
    reader.Error("progress", "needs a group for the rate, such as 'eps: ([0-9.]+)'");
  }
  TRUCE_RETURN_IF_ERROR(reader.Finish());
  return program;
}

absl::StatusOr<std::vector<std::string>> YamlFiles(const std::string& directory, const std::string& flag) {
  std::error_code error;
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path().string());
  }
  if (error)
    return ErrnoStatus(error.value(),
                       StrCat("reading what is in ", directory, " (", flag, " names another directory)"));
  if (files.empty())
    return absl::NotFoundError(StrCat("no *.yaml in ", directory, " (", flag, " names another directory)"));
  std::sort(files.begin(), files.end());
  return files;
}

absl::StatusOr<std::vector<Program>> ReadPrograms(const std::string& directory) {
  TRUCE_ASSIGN_OR_RETURN(const std::vector<std::string> files, YamlFiles(directory, "--programs"));
  std::vector<Program> programs;
  for (const std::string& file : files) {
    TRUCE_ASSIGN_OR_RETURN(programs.emplace_back(), ReadProgram(file));
  }
  return programs;
}

std::vector<std::string> MissingCommands(const Program& program) {
  std::vector<std::string> missing;
  for (const std::string& command : program.needs) {
    bool found = false;
    for (const absl::string_view directory : absl::StrSplit(AbslView(kSearchPath), ':')) {
      found = found || access(StrCat(StdView(directory), "/", command).c_str(), X_OK) == 0;
    }
    if (!found) missing.push_back(command);
  }
  return missing;
}

}  // namespace truce::lab
