// What is known of what applications do to each other: what their agents' models say, drawn towards what the
// applications of this fleet do in the middle, since a model errs; and of one that no model has spoken of, that middle.
// Not thread-safe.
//
//   signature ─► Learn ─┐
//   sizes ──────────────┴─► Redraw, now and then ─► Effects ◄── Of(application)
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "controller/plan/place/interference.h"
#include "truce/v1/types.pb.h"

namespace truce::controller {

// By application, as prices use it.
struct EffectsByApplication {
  absl::flat_hash_map<std::string, ApplicationEffects> known;
  // Of all others; nothing before the first signature.
  ApplicationEffects others;

  const ApplicationEffects& Of(std::string_view application) const;
};

class KnownEffects {
 public:
  // Of so many applications that run and whose size is known the middle is taken; with fewer, what the model says is
  // usual, and nothing is drawn.
  static constexpr size_t kFewest = 10;
  // Of how much the logarithms of an effect differ from their middle, what is believed: 1 all. With a model as wrong as
  // the shipped one is of programs that it never saw, 0.5 to 0.7 served critical workloads best in the simulated fleet
  // (truce-lab fleet).
  static constexpr double kTrust = 0.6;
  // CPU of an application's workloads, in the mean, 0 when nobody knows; and in how much of the fleet it runs (Census).
  struct Size {
    double cores = 0;
    double weight = 0;
  };
  using SizeOf = std::function<Size(std::string_view application)>;

  // An application's signature, new or changed. One without a word on what is usual says nothing.
  void Learn(const std::string& application, const v1::Signature& signature);
  // Whether Redraw would change anything; and whether so much came since that the middle may be another by far.
  bool stale() const { return age_ > 0; }
  bool outgrown() const { return said_.size() >= 2 * drawn_from_; }
  // Looks for the middle, weighted by how much of the fleet each runs in, and draws all towards it. O(applications).
  void Redraw(const SizeOf& size_of);

  const EffectsByApplication& effects() const { return effects_; }
  bool empty() const { return said_.empty(); }

 private:
  struct Said {
    ApplicationEffects effects;
    // What its model says is usual; hosts may have different models.
    ApplicationEffects usual;
    double weight = 0;
  };
  // The middle over applications, of one core where sizes are known of enough of them.
  ApplicationEffects Middle() const;
  ApplicationEffects Draw(const ApplicationEffects& said) const;

  absl::flat_hash_map<std::string, Said> said_;
  EffectsByApplication effects_;
  // Signatures since the last Redraw, and applications then.
  size_t age_ = 0;
  size_t drawn_from_ = 0;
};

}  // namespace truce::controller
