// Where the processes of a training find each other, tell that they are alive, and leave a word when they end:
// libtorch's TCPStore, held by process 0. Used by GlooExchange. Torch's headers cost 20 s a file: included by few.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <vector>

#include "absl/status/statusor.h"
#include "models/training/gloo_exchange.h"

namespace truce {

class Rendezvous {
 public:
  // As GlooExchange::Join has it, without Gloo.
  static absl::StatusOr<std::unique_ptr<Rendezvous>> Meet(const GlooOptions& options);
  ~Rendezvous();

  const c10::intrusive_ptr<c10d::TCPStore>& store() const { return store_; }

  // What broke the group, once a call to all failed with `cause`: Unavailable, naming each process that left an error
  // or is not alive any more. Takes a few seconds when there is one of those.
  absl::Status WhatBroke(const std::string& cause);
  // Tells the others that this process ends, and by what; an empty word when nothing was wrong here.
  void SayGoodbye(const std::string& word);
  // In process 0, once it said goodbye, which was because of `why`: waits until the others have, too, or are gone,
  // since they look here for why it ended. For those that are alive but hang, no longer than options.patience and the
  // seconds that it takes to find out who is gone.
  void StayForOthers(const absl::Status& why);

 private:
  Rendezvous(const GlooOptions& options, c10::intrusive_ptr<c10d::TCPStore> store);
  absl::Status ComeTogether();
  absl::Status Announce();
  absl::Status WaitForAll();
  absl::Status StartBeating();
  void Beat(const c10::intrusive_ptr<c10d::TCPStore>& store);
  // Those of the others that have neither left nor are gone.
  std::vector<int> StillThere();
  // Finds those of the others of whom no beat comes for a while and who have not left.
  void LookForGone();
  // Unavailable when one of the others left an error.
  absl::Status LastWords();
  bool Has(const std::string& key) { return store_->check({key}); }

  const GlooOptions options_;
  const c10::intrusive_ptr<c10d::TCPStore> store_;
  std::set<int> gone_;
  std::atomic<bool> stop_ = false;
  // With a store of its own, since a call to one waits for the call before.
  std::thread beating_;
};

}  // namespace truce
