// The interference model in use: loaded from a file, replaced at a tick boundary when the file is, and kept when its
// successor is refused. Tick thread only.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "agent/predict/model_scorer.h"
#include "agent/profile/profiler.h"
#include "models/topology.h"

namespace truce::agent {

class ModelSlot {
 public:
  // `file` may be missing or bad now and come right later.
  ModelSlot(std::string file, Topology topology, ModelScorerOptions options);

  // Looks whether the file changed, and if so takes it. A model that is damaged, made for another version of Truce, or
  // fails its self-test changes nothing. Returns what there is to tell about: a sentence, once per change.
  std::optional<std::string> Refresh(const Profiles& profiles);
  // CPUs came or went: the next Refresh takes the file anew, with these.
  void SetTopology(Topology topology) {
    topology_ = std::move(topology);
    seen_.reset();
  }
  // null while there is none.
  ModelScorer* scorer() { return scorer_.get(); }
  // OK, or why the file as it is now is not in use.
  const absl::Status& status() const { return status_; }

 private:
  // Tells one content of the file from another without reading it.
  struct Stamp {
    int64_t inode = 0;
    int64_t size = -1;
    int64_t changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  Stamp Look() const;

  const std::string file_;
  Topology topology_;
  const ModelScorerOptions options_;
  std::optional<Stamp> seen_;
  absl::Status status_;
  std::unique_ptr<ModelScorer> scorer_;
};

}  // namespace truce::agent
