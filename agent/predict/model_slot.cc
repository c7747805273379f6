#include "agent/predict/model_slot.h"

#include <sys/stat.h>

#include <utility>

#include "agent/predict/model_record.h"
#include "src/base/text.h"

namespace truce::agent {

ModelSlot::ModelSlot(std::string file, Topology topology, ModelScorerOptions options)
    : file_(std::move(file)), topology_(std::move(topology)), options_(options) {}

ModelSlot::Stamp ModelSlot::Look() const {
  struct stat status {};
  if (stat(file_.c_str(), &status) != 0) return {};
  return {static_cast<int64_t>(status.st_ino), static_cast<int64_t>(status.st_size),
          status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

namespace {

absl::StatusOr<std::string> ReadModel(const std::string& file) {
  absl::StatusOr<std::string> bytes = ReadModelFile(file);
  if (bytes.ok()) return bytes;
  return absl::Status(bytes.status().code(),
                      StrCat(StdView(bytes.status().message()), "; install a model there, or name it with model.file"));
}

}  // namespace

std::optional<std::string> ModelSlot::Refresh(const Profiles& profiles) {
  const Stamp stamp = Look();
  if (seen_ == stamp) return std::nullopt;
  seen_ = stamp;
  const absl::StatusOr<std::string> bytes = ReadModel(file_);
  absl::StatusOr<ModelFile> model = bytes.ok() ? ParseModel(*bytes, file_) : absl::StatusOr<ModelFile>(bytes.status());
  status_ = model.status();
  if (!model.ok()) {
    return StrCat("the interference model is not used: ", StdView(status_.message()),
                  scorer_ == nullptr ? "; evidence goes on alone" : StrCat("; model ", scorer_->version(), " stays"));
  }
  auto scorer = std::make_unique<ModelScorer>(*std::move(model), topology_, options_);
  scorer->CatchUp(profiles);
  const std::string before = scorer_ == nullptr ? "" : StrCat(", which replaces ", scorer_->version());
  scorer_ = std::move(scorer);
  return StrCat("interference model ", scorer_->version(), before);
}

}  // namespace truce::agent
