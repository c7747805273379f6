// The files of the models that this agent uses: the one that it came with, or one that the controller sent. Receives
// those part by part, keeps them by their SHA-256 below the state directory and goes over to one only when all of it is
// there, undamaged, and passes its self-test. What the controller says comes in and what is to be said goes out as
// plain messages; the link (agent/link) carries them. Tick thread only.
//
//   offer ─► is it here? ─► in use, answer
//              └─► request ─► part ─► request ... ─► check ─► in use, answer
//
// Below the directory lie KIND-SHA256.truce (received and sound), KIND-SHA256.part (half received) and KIND.sent, which
// says which one is in use and which one was before. Everything else of that kind is deleted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "src/host/file.h"
#include "truce/v1/forecast.pb.h"

namespace truce::agent {

// A kind of model that may be sent here.
struct ModelKindOptions {
  // The file that the agent came with, or that the host's operator named; it need not be there.
  std::string own_file;
  // The version that the bytes say, when they are a model of this kind that can be used here; `name` is for people.
  std::function<absl::StatusOr<std::string>(std::string_view bytes, std::string_view name)> check;
};

struct ModelStoreOptions {
  // Made with mode 0700 when a model comes.
  std::string directory;
  // Whether the host's operator lets the controller send models. False: those that were sent are not used either.
  bool accept_sent = true;
  // A part that has not come by then is asked for again.
  absl::Duration ask_again_after = absl::Seconds(30);
  std::map<v1::ModelKind, ModelKindOptions> kinds;
};

// The model to use. It stays what it is, whatever becomes of its file.
struct ModelInUse {
  std::string path;
  std::string sha256;
  std::string version;
  bool sent = false;
  // Its bytes, which passed their check; never null.
  std::shared_ptr<const std::string> bytes;
};

// To be told as an event of the host.
struct ModelNews {
  // "model_taken_up", "model_refused".
  std::string kind;
  // One sentence for a person.
  std::string message;
};

class ModelStore {
 public:
  // Takes up what was in use before. Never fails: what is damaged or can't be read is told (TakeNews) and not used.
  explicit ModelStore(ModelStoreOptions options);

  // The controller's wish, and a part that it sent. Anything may come late, twice or unasked.
  void Offer(const v1::ModelOffer& offer);
  void Take(const v1::ModelChunk& chunk);
  // What is to be asked for now: one part at a time; nullopt while one is on its way. `now` is monotonic.
  std::optional<v1::ModelRequest> NextRequest(absl::Duration now);
  std::vector<v1::ModelAnswer> TakeAnswers();
  std::vector<ModelNews> TakeNews();

  // Looks whether a file that the agent came with was replaced, and takes the new one if it is sound; the one before
  // stays if it is not. Cheap when there is none. True when another model is in use for that, which only the next hello
  // says.
  bool Refresh();
  // OK, or why the file that the agent came with is not used as it is now; a sentence that names it.
  absl::Status OwnStatus(v1::ModelKind kind) const;
  // nullptr while there is none that can be used. Valid until the next call that is not const.
  const ModelInUse* InUse(v1::ModelKind kind) const;
  // For the hello: each kind, also those of which none is in use.
  std::vector<v1::ModelInUse> ForHello() const;

 private:
  // Tells one content of a file from another without reading it.
  struct Stamp {
    int64_t inode = 0;
    int64_t size = -1;
    int64_t changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct Kind {
    ModelKindOptions options;
    std::optional<Stamp> own_seen;
    // Of what was seen there last.
    absl::Status own_status;
    std::optional<ModelInUse> own;
    std::optional<ModelInUse> sent;
    // SHA-256 of the one that was sent before; empty for none.
    std::string before;
  };
  struct Receiving {
    v1::ModelKind kind = v1::MODEL_KIND_UNSPECIFIED;
    std::string sha256;
    uint64_t size = 0;
    uint64_t have = 0;
    // A part of it is older than this run, and may not have reached the disk.
    bool resumed = false;
    host::UniqueFd file;
    absl::Duration asked_at = -absl::InfiniteDuration();
  };

  std::string Path(v1::ModelKind kind, std::string_view sha256, std::string_view ending) const;
  // True when the agent's own is another one now.
  bool TakeOwn(Kind* kind);
  // What the record says was in use.
  void TakeRecorded(v1::ModelKind which, Kind* kind);
  absl::StatusOr<ModelInUse> Check(v1::ModelKind which, const std::string& path, std::string_view sha256) const;
  // Goes over to the one that is here. nullopt: to the agent's own. It is so in this run also when that can't be
  // recorded, which is told: after a restart the hello says what is in use, and the controller offers the other again.
  void GoOverTo(v1::ModelKind which, std::optional<ModelInUse> model);
  absl::Status BeginReceiving(const v1::ModelOffer& offer);
  // All of it is here.
  void Finish();
  // All of it was read, and those are its bytes.
  void TakeUp(v1::ModelKind which, const std::string& sha256, std::string bytes);
  void StopReceiving(bool keep_part);
  void DeleteOthers(v1::ModelKind which) const;
  void Accept(v1::ModelKind which, const std::string& sha256);
  // What was offered can't be used, here or anywhere: the controller may take it back from the fleet.
  void Refuse(v1::ModelKind which, const std::string& sha256, std::string_view why);
  // This host takes none; that says nothing of the model.
  void Decline(v1::ModelKind which, const std::string& sha256, std::string_view why);
  // Its disk did not do what was needed, so it takes none until it says hello anew.
  void DeclineFor(v1::ModelKind which, const std::string& sha256, const absl::Status& fault);
  void SayNo(v1::ModelKind which, const std::string& sha256, std::string_view why, bool unwilling);

  const ModelStoreOptions options_;
  std::map<v1::ModelKind, Kind> kinds_;
  std::optional<Receiving> receiving_;
  // What is no model for this host and why, so that it is not fetched twice in one run.
  std::map<std::string, std::string> unusable_;
  // The last refusal, so that it is told once.
  std::string told_;
  std::vector<v1::ModelAnswer> answers_;
  std::vector<ModelNews> news_;
};

}  // namespace truce::agent
