// What is known of what applications do to each other: what their agents' models say, drawn towards what the
// applications of this fleet do in the middle, since a model errs; and of one that no model has spoken of, that middle.
// Not thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "controller/plan/place/interference.h"
#include "truce/v1/types.pb.h"

namespace truce::controller {

class KnownEffects {
 public:
  // Of so many applications the middle is taken; with fewer, what the model says is usual, and nothing is drawn.
  static constexpr size_t kFewest = 10;
  // Of how much the logarithms of an effect differ from their middle, what is believed: 1 all. With a model as wrong as
  // the shipped one is of programs that it never saw, 0.5 to 0.7 served critical workloads best in the simulated fleet
  // (truce-lab fleet).
  static constexpr double kTrust = 0.6;

  // An application's signature, new or changed, while its workloads use so many cores in the mean (0: nobody knows).
  // One without a word on what is usual says nothing.
  void Learn(const std::string& application, const v1::Signature& signature, double cores);
  // Nothing at all before the first signature.
  const ApplicationEffects& Of(std::string_view application) const;
  bool empty() const { return all_.empty(); }

 private:
  struct Known {
    ApplicationEffects said;
    // What its model says is usual; hosts may have different models.
    ApplicationEffects usual;
    ApplicationEffects drawn;
  };
  // The middle over applications, of one core where sizes are known of enough of them.
  ApplicationEffects Middle() const;
  ApplicationEffects Draw(const ApplicationEffects& said) const;
  void Redraw();

  absl::flat_hash_map<std::string, Known> all_;
  ApplicationEffects middle_;
  // Signatures since the last Redraw.
  size_t age_ = 0;
};

}  // namespace truce::controller
