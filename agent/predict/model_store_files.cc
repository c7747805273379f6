// ModelStore's part that knows the files: what is there, which one is in use, what is deleted.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "agent/predict/model_record.h"
#include "agent/predict/model_store.h"
#include "models/weights/model_bytes.h"
#include "src/base/atomic_file.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::agent {

std::string ModelStore::Path(v1::ModelKind kind, std::string_view sha256, std::string_view ending) const {
  return StrCat(options_.directory, "/", EnumWord(kind), sha256.empty() ? "" : "-", sha256, ending);
}

bool ModelStore::TakeOwn(Kind* kind) {
  const std::string& file = kind->options.own_file;
  struct stat status {};
  Stamp stamp;
  if (stat(file.c_str(), &status) == 0) {
    stamp = {static_cast<int64_t>(status.st_ino), static_cast<int64_t>(status.st_size),
             status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
  }
  if (kind->own_seen == stamp) return false;
  const bool first = !kind->own_seen.has_value();
  kind->own_seen = stamp;
  absl::StatusOr<std::string> bytes = ReadModelFile(file);
  absl::StatusOr<std::string> version =
      bytes.ok() ? kind->options.check(*bytes, file) : absl::StatusOr<std::string>(bytes.status());
  kind->own_status = version.status();
  if (!version.ok()) {
    news_.push_back({"model_refused",
                     StrCat("the model that the agent came with is not used: ", StdView(version.status().message()),
                            kind->own ? StrCat("; model ", kind->own->version, " stays") : "")});
    return false;
  }
  std::string sha256 = FileSha256(*bytes);
  const bool same = kind->own && kind->own->sha256 == sha256;
  kind->own = ModelInUse{file, std::move(sha256), *std::move(version), false,
                         std::make_shared<const std::string>(*std::move(bytes))};
  if (!first && !same && !kind->sent) {
    news_.push_back({"model_taken_up", StrCat("model ", kind->own->version, " from ", file)});
  }
  return !same;
}

void ModelStore::TakeRecorded(v1::ModelKind which, Kind* kind) {
  const auto record = ReadModelRecord(Path(which, "", ".sent"));
  if (!record.ok()) {
    if (!absl::IsNotFound(record.status())) {
      news_.push_back({"model_refused",
                       StrCat("which model was sent is not known any more: ", StdView(record.status().message()))});
    }
    return;
  }
  kind->before = record->before;
  if (record->in_use.empty()) return;
  auto model = Check(which, Path(which, record->in_use, ".truce"), record->in_use);
  if (model.ok()) {
    kind->sent = *std::move(model);
    return;
  }
  news_.push_back(
      {"model_refused", StrCat("the model that was in use is not used any more: ", StdView(model.status().message()))});
}

absl::StatusOr<ModelInUse> ModelStore::Check(v1::ModelKind which, const std::string& path,
                                             std::string_view sha256) const {
  TRUCE_ASSIGN_OR_RETURN(std::string bytes, ReadModelFile(path));
  if (FileSha256(bytes) != sha256) return DamagedModel(path, "it is not the one that its name says");
  TRUCE_ASSIGN_OR_RETURN(std::string version, kinds_.at(which).options.check(bytes, path));
  return ModelInUse{path, std::string(sha256), std::move(version), true,
                    std::make_shared<const std::string>(std::move(bytes))};
}

void ModelStore::GoOverTo(v1::ModelKind which, std::optional<ModelInUse> model) {
  Kind& kind = kinds_.at(which);
  if (!model && !kind.sent) return;
  const std::string before = kind.sent ? kind.sent->sha256 : kind.before;
  const ModelRecord record{model ? model->sha256 : "", before};
  absl::Status recorded = MakeDirectory(options_.directory, 0700);
  if (recorded.ok()) recorded = WriteModelRecord(Path(which, "", ".sent"), record);
  kind.before = before;
  kind.sent = std::move(model);
  DeleteOthers(which);
  const ModelInUse* in_use = InUse(which);
  std::string told = in_use == nullptr
                         ? StrCat("no ", EnumWord(which), " model is in use: the agent came with none")
                         : StrCat(EnumWord(which), " model ", in_use->version, " (", ShortModelName(in_use->sha256),
                                  in_use->sent ? ", sent by the controller)" : ", the agent's own)");
  if (!recorded.ok()) StrAppend(&told, ", which a restart will forget: ", StdView(recorded.message()));
  news_.push_back({"model_taken_up", std::move(told)});
}

void ModelStore::DeleteOthers(v1::ModelKind which) const {
  const Kind& kind = kinds_.at(which);
  const std::string prefix = StrCat(EnumWord(which), "-");
  std::error_code error;
  for (std::filesystem::directory_iterator at(options_.directory, error), end; !error && at != end;
       at.increment(error)) {
    const std::filesystem::directory_entry& entry = *at;
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    const std::string path = entry.path().string();
    const bool kept = (kind.sent && path == Path(which, kind.sent->sha256, ".truce")) ||
                      (!kind.before.empty() && path == Path(which, kind.before, ".truce")) ||
                      (receiving_ && receiving_->kind == which && path == Path(which, receiving_->sha256, ".part"));
    if (!kept) unlink(path.c_str());
  }
}

bool ModelStore::Refresh() {
  bool changed = false;
  for (auto& [_, kind] : kinds_) changed |= TakeOwn(&kind) && !kind.sent;
  return changed;
}

absl::Status ModelStore::OwnStatus(v1::ModelKind which) const {
  const auto found = kinds_.find(which);
  if (found != kinds_.end()) return found->second.own_status;
  return absl::NotFoundError(StrCat("this agent takes no models of kind ", EnumWord(which)));
}

const ModelInUse* ModelStore::InUse(v1::ModelKind which) const {
  const auto found = kinds_.find(which);
  if (found == kinds_.end()) return nullptr;
  const Kind& kind = found->second;
  if (kind.sent) return &*kind.sent;
  return kind.own ? &*kind.own : nullptr;
}

}  // namespace truce::agent
