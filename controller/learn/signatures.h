// What was learned of applications from the signatures that agents report: one mean signature for each application and
// model. A plain state machine without locks, clock or store; ControllerCore (controller/serve) feeds it, has it stored
// and reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "controller/store/database.h"
#include "truce/v1/operator.pb.h"
#include "truce/v1/types.pb.h"

namespace truce::controller {

// Signatures of different models can't be compared, and hosts may differ in theirs, for good where each kind of machine
// has its own: an application has a mean for each of the models that were heard of it last. Pointers are good until the
// next change. A copy shares the means and is cheap.
class Signatures {
 public:
  // Most models of one application, of which the one that fewest hosts sign by is forgotten first, and most means in
  // all; then what was not learned for longest.
  static constexpr size_t kModelsPerApplication = 8;
  static constexpr size_t kMost = kMostSignatures;

  // Moves the application's mean towards `signature`, which LeaveOutUnsound (controller/fleet) let through: by
  // 1 / (n + 1) after n signatures, but never by less than 0.02, so that an application that changes is known by its
  // new ways after some 50 signatures. Resources and kinds are matched by name, and those that `signature` lacks are
  // dropped; what it resembles is taken over. `host` signed it.
  void Learn(std::string_view host, const std::string& application, const v1::Signature& signature, absl::Time now);
  // Takes over what was stored, the longest unlearned first, before anything is learned.
  void Restore(v1::ApplicationSignature learned);

  // The mean of the model that was new to the application last (the latest first_learned_at, then the latest
  // last_learned_at), or nullptr. A model that is rolled out takes over once three hosts sign by it, or as many as by
  // any other model where those are fewer, however many still sign by an older one: so one host that makes up a model
  // does not speak for several. One that has not been heard of for a day while another was has no say: it was rolled
  // back.
  const v1::ApplicationSignature* Find(std::string_view application) const;
  // The same of every application, by name.
  std::vector<const v1::ApplicationSignature*> All() const;
  // At most `limit` other applications by their likeness to Find(application) (models/similarity.h), most alike first.
  // Looks at every mean of the same model.
  std::vector<v1::Resemblance> Resembling(std::string_view application, size_t limit) const;
  // Applications of which something was learned.
  size_t size() const { return places_.size(); }

  // At most `most` of those that were learned since they were last taken, the longest unlearned first.
  std::vector<v1::ApplicationSignature> TakeDirty(size_t most);

 private:
  // Never changed, since copies share it.
  using Learned = std::shared_ptr<const v1::ApplicationSignature>;
  struct Entry {
    Learned learned;
    bool dirty = false;
    // By a hash of their names, hosts that signed since this began to run; no more than are needed.
    std::vector<size_t> signers;
  };

  // Of one application's entries the one that Find returns.
  const v1::ApplicationSignature& Latest(const std::vector<uint64_t>& places) const;
  std::optional<uint64_t> PlaceOf(const std::string& application, const std::string& model) const;
  Entry Remove(uint64_t place);
  // Adds it as the last learned, and forgets what there is no room for.
  void Append(Entry entry);

  // In the order in which they were last learned.
  std::map<uint64_t, Entry> entries_;
  // Where each application's entries are, in the same order; never none.
  std::map<std::string, std::vector<uint64_t>, std::less<>> places_;
  uint64_t next_place_ = 1;
};

}  // namespace truce::controller
