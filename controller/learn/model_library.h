// The models that the controller sends, as files named by their SHA-256. Thread-safe: a file is there whole or not at
// all, and never changes.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace truce::controller {

class ModelLibrary {
 public:
  // Empty: there is none, and nothing can be put in it.
  explicit ModelLibrary(std::string directory) : directory_(std::move(directory)) {}

  // On disk when it returns the SHA-256; no work when it is there already. FailedPrecondition without a directory.
  absl::StatusOr<std::string> Put(std::string_view bytes) const;
  // NotFound when it is not there, DataLoss when the file is damaged.
  absl::StatusOr<std::string> Get(std::string_view sha256) const;
  // Deletes every other model.
  void Keep(const std::set<std::string>& sha256s) const;
  const std::string& directory() const { return directory_; }

 private:
  std::string Path(std::string_view sha256) const;

  const std::string directory_;
};

}  // namespace truce::controller
