#include "agent/predict/model_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "agent/predict/model_record.h"
#include "models/weights/model_bytes.h"
#include "src/base/atomic_file.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

// Models that can't be used here and are remembered; the fleet has two or three at a time.
constexpr size_t kMostUnusable = 16;

}  // namespace

ModelStore::ModelStore(ModelStoreOptions options) : options_(std::move(options)) {
  for (const auto& [which, kind_options] : options_.kinds) {
    Kind& kind = kinds_[which];
    kind.options = kind_options;
    TakeOwn(&kind);
    if (options_.accept_sent) TakeRecorded(which, &kind);
  }
}

void ModelStore::Offer(const v1::ModelOffer& offer) {
  const v1::ModelKind which = offer.kind();
  const std::string& sha256 = offer.sha256();
  const auto found = kinds_.find(which);
  if (found == kinds_.end()) {
    Decline(which, sha256, StrCat("this agent takes no models of kind ", EnumWord(which)));
    return;
  }
  Kind& kind = found->second;
  const bool same = receiving_ && receiving_->kind == which && receiving_->sha256 == sha256;
  if (receiving_ && receiving_->kind == which && !same) StopReceiving(false);
  const ModelInUse* in_use = InUse(which);
  if (in_use != nullptr && !sha256.empty() && in_use->sha256 == sha256) {
    Accept(which, sha256);
    return;
  }
  if (sha256.empty() || (kind.own && kind.own->sha256 == sha256)) {
    GoOverTo(which, std::nullopt);
    Accept(which, sha256);
    return;
  }
  if (!options_.accept_sent) {
    Decline(which, sha256, "model.accept_sent is false on this host");
    return;
  }
  if (const auto unusable = unusable_.find(sha256); unusable != unusable_.end()) {
    Refuse(which, sha256, unusable->second);
    return;
  }
  if (same) {
    // The stream began anew, perhaps: what was asked for on the old one does not come.
    receiving_->asked_at = -absl::InfiniteDuration();
    return;
  }
  if (!IsSha256(sha256) || offer.size_bytes() == 0 || offer.size_bytes() > kMostModelBytes) {
    Refuse(which, sha256.substr(0, 64),
           StrCat("no model has ", offer.size_bytes(), " bytes (at most ", kMostModelBytes, ") under a name of ",
                  sha256.size(), " digits (64)"));
    return;
  }
  if (auto here = Check(which, Path(which, sha256, ".truce"), sha256); here.ok()) {
    GoOverTo(which, *std::move(here));
    Accept(which, sha256);
    return;
  }
  if (const absl::Status status = BeginReceiving(offer); !status.ok()) {
    DeclineFor(which, sha256, status);
  } else if (receiving_->have == receiving_->size) {
    Finish();
  }
}

absl::Status ModelStore::BeginReceiving(const v1::ModelOffer& offer) {
  // One at a time: the newest wish.
  StopReceiving(true);
  TRUCE_RETURN_IF_ERROR(MakeDirectory(options_.directory, 0700));
  const std::string path = Path(offer.kind(), offer.sha256(), ".part");
  host::UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return ErrnoStatus(errno, StrCat("opening ", path));
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return ErrnoStatus(errno, StrCat("looking at ", path));
  auto have = static_cast<uint64_t>(status.st_size);
  if (have > offer.size_bytes()) {
    if (ftruncate(file.get(), 0) != 0) return ErrnoStatus(errno, StrCat("emptying ", path));
    have = 0;
  }
  receiving_ = Receiving{.kind = offer.kind(),
                         .sha256 = offer.sha256(),
                         .size = offer.size_bytes(),
                         .have = have,
                         .resumed = have > 0,
                         .file = std::move(file)};
  DeleteOthers(offer.kind());
  return absl::OkStatus();
}

std::optional<v1::ModelRequest> ModelStore::NextRequest(absl::Duration now) {
  if (!receiving_ || now - receiving_->asked_at < options_.ask_again_after) return std::nullopt;
  receiving_->asked_at = now;
  v1::ModelRequest request;
  request.set_sha256(receiving_->sha256);
  request.set_offset(receiving_->have);
  return request;
}

void ModelStore::Take(const v1::ModelChunk& chunk) {
  // What is late, repeated or ahead changes nothing: the next request says where to go on.
  if (!receiving_ || chunk.sha256() != receiving_->sha256 || chunk.offset() != receiving_->have) return;
  if (chunk.data().empty()) {
    news_.push_back({"model_refused", StrCat("the controller does not have model ", ShortModelName(chunk.sha256()),
                                             " any more; the one in use stays")});
    StopReceiving(false);
    return;
  }
  if (chunk.data().size() > receiving_->size - receiving_->have) {
    Refuse(receiving_->kind, receiving_->sha256, "more bytes came than were offered");
    StopReceiving(false);
    return;
  }
  std::string_view rest = chunk.data();
  auto at = static_cast<off_t>(receiving_->have);
  while (!rest.empty()) {
    const ssize_t written = pwrite(receiving_->file.get(), rest.data(), rest.size(), at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const absl::Status status =
          ErrnoStatus(errno, StrCat("writing ", Path(receiving_->kind, receiving_->sha256, ".part")));
      DeclineFor(receiving_->kind, receiving_->sha256, status);
      StopReceiving(false);
      return;
    }
    rest.remove_prefix(static_cast<size_t>(written));
    at += written;
  }
  receiving_->have = static_cast<uint64_t>(at);
  receiving_->asked_at = -absl::InfiniteDuration();
  if (receiving_->have == receiving_->size) Finish();
}

void ModelStore::Finish() {
  const v1::ModelKind which = receiving_->kind;
  const std::string sha256 = receiving_->sha256;
  const std::string part = Path(which, sha256, ".part");
  absl::StatusOr<std::string> bytes = ReadModelFile(part);
  const bool is_same = bytes.ok() && FileSha256(*bytes) == sha256;
  if (!is_same && receiving_->resumed && ftruncate(receiving_->file.get(), 0) == 0) {
    // Perhaps the old part never reached the disk whole; once from the beginning.
    receiving_->have = 0;
    receiving_->resumed = false;
    receiving_->asked_at = -absl::InfiniteDuration();
    return;
  }
  StopReceiving(true);
  unlink(part.c_str());
  if (!bytes.ok()) {
    DeclineFor(which, sha256, bytes.status());
  } else if (!is_same) {
    Refuse(which, sha256,
           StdView(DamagedModel(StrCat("model ", ShortModelName(sha256)), "its SHA-256 is not the one that was offered")
                       .message()));
  } else {
    TakeUp(which, sha256, *std::move(bytes));
  }
}

void ModelStore::TakeUp(v1::ModelKind which, const std::string& sha256, std::string bytes) {
  absl::StatusOr<std::string> version = kinds_.at(which).options.check(bytes, StrCat("model ", ShortModelName(sha256)));
  if (!version.ok()) {
    if (unusable_.size() >= kMostUnusable) unusable_.clear();
    unusable_[sha256] = std::string(StdView(version.status().message()));
    Refuse(which, sha256, unusable_[sha256]);
    return;
  }
  const std::string path = Path(which, sha256, ".truce");
  if (const absl::Status status = WriteFileAtomically(path, bytes, 0600, IfExists::kReplace); !status.ok()) {
    DeclineFor(which, sha256, status);
    return;
  }
  GoOverTo(which,
           ModelInUse{path, sha256, *std::move(version), true, std::make_shared<const std::string>(std::move(bytes))});
  Accept(which, sha256);
}

void ModelStore::StopReceiving(bool keep_part) {
  if (!receiving_) return;
  if (!keep_part) unlink(Path(receiving_->kind, receiving_->sha256, ".part").c_str());
  receiving_.reset();
}

void ModelStore::Accept(v1::ModelKind, const std::string& sha256) {
  v1::ModelAnswer& answer = answers_.emplace_back();
  answer.set_sha256(sha256);
  answer.set_accepted(true);
}

void ModelStore::Refuse(v1::ModelKind which, const std::string& sha256, std::string_view why) {
  SayNo(which, sha256, why, /*unwilling=*/false);
}

void ModelStore::Decline(v1::ModelKind which, const std::string& sha256, std::string_view why) {
  SayNo(which, sha256, why, /*unwilling=*/true);
}

void ModelStore::DeclineFor(v1::ModelKind which, const std::string& sha256, const absl::Status& fault) {
  Decline(which, sha256, StrCat(StdView(fault.message()), "; it is offered again when the agent connects anew"));
}

void ModelStore::SayNo(v1::ModelKind which, const std::string& sha256, std::string_view why, bool unwilling) {
  v1::ModelAnswer& answer = answers_.emplace_back();
  answer.set_sha256(sha256);
  answer.set_reason(std::string(why));
  answer.set_unwilling(unwilling);
  std::string told = StrCat(EnumWord(which), " model ", ShortModelName(sha256), " is not used: ", why);
  if (told == told_) return;
  told_ = std::move(told);
  news_.push_back({"model_refused", told_});
}

std::vector<v1::ModelAnswer> ModelStore::TakeAnswers() {
  return std::exchange(answers_, {});
}

std::vector<ModelNews> ModelStore::TakeNews() {
  return std::exchange(news_, {});
}

std::vector<v1::ModelInUse> ModelStore::ForHello() const {
  std::vector<v1::ModelInUse> models;
  for (const auto& [which, _] : kinds_) {
    v1::ModelInUse& wire = models.emplace_back();
    wire.set_kind(which);
    const ModelInUse* in_use = InUse(which);
    if (in_use == nullptr) continue;
    wire.set_sha256(in_use->sha256);
    wire.set_version(in_use->version);
    wire.set_sent(in_use->sent);
  }
  return models;
}

}  // namespace truce::agent
