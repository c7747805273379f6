// Past drifts and what demand did next: an index of bounded size that is asked for the nearest ones. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/drift/behaviour.h"
#include "truce/v1/drift.pb.h"

namespace truce {

// After so many seconds it is looked at what a demand became.
inline constexpr std::array<double, 4> kOutcomeSeconds = {60, 300, 900, 3600};

// By how much what is expected will come: an increase is damped by how busy the host's resource is, since what a full
// host has no room for does not come; a decrease is not. `utilisation` is taken as within 0 to 1.
double DampedIncrease(double increase, double utilisation);

// How a workload has moved when its drift was detected, as differences of logarithms: its traits, and its demands, each
// missing where it was or is below LeastDemand.
struct DriftMove {
  Behaviour traits;
  Demands demands;
};
// Of an episode; traits and demands that are not known here are dropped.
DriftMove MoveOf(const v1::DriftEpisode& episode);
// Of one demand; nullopt where either is missing or below LeastDemand.
std::optional<double> DemandMove(size_t demand, std::optional<double> usual, std::optional<double> now);

class Episodes {
 public:
  static constexpr size_t kMost = 5'000;
  static constexpr size_t kNeighbours = 3;
  // An episode whose move differs by more than this (a difference of logarithms, as a root mean square) says nothing.
  static constexpr double kFarthest = 1.5;

  // Adds the episode, or replaces the one of its id. The oldest goes when there are too many. One without an id, or
  // with numbers that are none, is dropped.
  void Put(v1::DriftEpisode episode);
  size_t size() const { return episodes_.size(); }
  const v1::DriftEpisode* Find(std::string_view id) const;

  struct Near {
    const v1::DriftEpisode* episode = nullptr;
    double distance = 0;
  };
  // At most kNeighbours that share a trait with `move` and whose outcomes have begun to be known: of the same
  // application first, nearest first, then of any. `except` is an id to leave out. Good until the next Put.
  std::vector<Near> Nearest(std::string_view application, const DriftMove& move, std::string_view except = {}) const;

  struct Prediction {
    size_t demand = 0;
    double after_seconds = 0;
    // As a share of what was usual before.
    double increase = 0;
  };
  // The mean of what `near` saw of each demand after each of kOutcomeSeconds, on the scale of logarithms, each weighed
  // by 1 over its squared distance. Nothing is said of what none of them saw.
  static std::vector<Prediction> Predict(const std::vector<Near>& near);

 private:
  struct Entry {
    v1::DriftEpisode episode;
    DriftMove move;
  };
  std::deque<Entry> episodes_;
};

}  // namespace truce
