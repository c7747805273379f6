#include "agent/predict/model_record.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <string_view>

#include "src/base/atomic_file.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::agent {
namespace {

constexpr std::string_view kInUse = "in_use ";
constexpr std::string_view kBefore = "before ";
constexpr std::string_view kNone = "none";

bool IsName(std::string_view text) {
  return text == kNone || IsSha256(text);
}

}  // namespace

absl::StatusOr<ModelRecord> ReadModelRecord(const std::string& path) {
  TRUCE_ASSIGN_OR_RETURN(const std::string text, host::ReadFile(path));
  std::string_view in_use;
  std::string_view before;
  host::ForEachLine(text, [&](std::string_view line) {
    if (line.starts_with(kInUse)) in_use = line.substr(kInUse.size());
    if (line.starts_with(kBefore)) before = line.substr(kBefore.size());
  });
  if (!IsName(in_use) || !IsName(before)) {
    return absl::DataLossError(StrCat(path, " is damaged; the agent goes back to its own model until one is sent"));
  }
  return ModelRecord{in_use == kNone ? "" : std::string(in_use), before == kNone ? "" : std::string(before)};
}

absl::Status WriteModelRecord(const std::string& path, const ModelRecord& record) {
  const auto name = [](const std::string& sha256) { return sha256.empty() ? std::string(kNone) : sha256; };
  return WriteFileAtomically(path, StrCat(kInUse, name(record.in_use), "\n", kBefore, name(record.before), "\n"), 0600,
                             IfExists::kReplace);
}

absl::StatusOr<std::string> ReadModelFile(const std::string& path, size_t most_bytes) {
  // Looked at after it was opened, so that it is the same one; to open a pipe must not wait for its writer.
  host::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return ErrnoStatus(errno, StrCat("opening ", path));
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return ErrnoStatus(errno, StrCat("looking at ", path));
  if (!S_ISREG(status.st_mode)) return absl::FailedPreconditionError(StrCat(path, " is no file"));
  if (static_cast<size_t>(status.st_size) > most_bytes) {
    return absl::FailedPreconditionError(
        StrCat(path, " has ", status.st_size, " bytes, more than any model (", most_bytes, ")"));
  }
  host::ReadBuffer buffer;
  TRUCE_ASSIGN_OR_RETURN(const std::string_view bytes, host::ReadWhole(file.get(), buffer, path));
  return std::string(bytes);
}

std::string ShortModelName(std::string_view sha256) {
  constexpr size_t kShortSha = 12;
  return sha256.empty() ? "the agent's own" : std::string(sha256.substr(0, kShortSha));
}

}  // namespace truce::agent
