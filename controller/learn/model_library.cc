#include "controller/learn/model_library.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "models/weights/model_bytes.h"
#include "src/base/atomic_file.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr std::string_view kEnding = ".truce";

}  // namespace

std::string ModelLibrary::Path(std::string_view sha256) const {
  return StrCat(directory_, "/", sha256, kEnding);
}

absl::StatusOr<std::string> ModelLibrary::Put(std::string_view bytes) const {
  if (directory_.empty()) {
    return absl::FailedPreconditionError(
        "there is no directory for models; set models.directory, or let store.file be a file");
  }
  if (bytes.empty() || bytes.size() > kMostModelBytes) {
    return absl::InvalidArgumentError(StrCat("no model has ", bytes.size(), " bytes; at most ", kMostModelBytes));
  }
  std::string sha256 = FileSha256(bytes);
  if (Get(sha256).ok()) return sha256;
  TRUCE_RETURN_IF_ERROR(MakeDirectory(directory_, 0700));
  TRUCE_RETURN_IF_ERROR(WriteFileAtomically(Path(sha256), bytes, 0600, IfExists::kReplace));
  return sha256;
}

absl::StatusOr<std::string> ModelLibrary::Get(std::string_view sha256) const {
  // What hosts ask for by name must not lead out of the directory.
  if (directory_.empty() || !IsSha256(sha256)) return absl::NotFoundError(StrCat("no model has the name ", sha256));
  const std::string path = Path(sha256);
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(StrCat(path, " is not there"));
  std::ostringstream content;
  content << file.rdbuf();
  std::string bytes = std::move(content).str();
  if (FileSha256(bytes) != sha256) return DamagedModel(path, "it is not the one that its name says");
  return bytes;
}

void ModelLibrary::Keep(const std::set<std::string>& sha256s) const {
  if (directory_.empty()) return;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory_, error), end; !error && at != end; at.increment(error)) {
    const std::filesystem::directory_entry& entry = *at;
    // A half written one is named SHA256.truce.XXXXXX.
    const std::string name = entry.path().filename().string();
    const std::string_view stem = std::string_view(name).substr(0, 64);
    const bool is_model = IsSha256(stem) && std::string_view(name).substr(stem.size()).starts_with(kEnding);
    if (!is_model || (name.size() == stem.size() + kEnding.size() && sha256s.contains(std::string(stem)))) continue;
    unlink(entry.path().c_str());
  }
}

}  // namespace truce::controller
