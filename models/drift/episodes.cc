#include "models/drift/episodes.h"

#include <algorithm>
#include <cmath>

namespace truce {
namespace {

// So near is as near as can be: episodes are measured, and two alike need not be counted as one.
constexpr double kNearest = 0.05;
// What became of a demand is bounded: a program that wrote nothing before and then writes says nothing of the next.
constexpr double kMostChange = 1000;

double SecondsOf(const v1::DemandOutcome& outcome) {
  return static_cast<double>(outcome.after().seconds());
}

bool IsSound(const v1::DriftEpisode& episode) {
  if (episode.episode_id().empty() || !std::isfinite(episode.magnitude())) return false;
  for (const auto& shift : episode.shifts()) {
    if (!std::isfinite(shift.shift()) || std::abs(shift.shift()) > 1e3) return false;
  }
  for (const auto& demand : episode.demands()) {
    for (const auto& outcome : demand.outcomes()) {
      if (!std::isfinite(outcome.change_factor()) || outcome.change_factor() < 0) return false;
    }
  }
  return true;
}

bool HasOutcomes(const v1::DriftEpisode& episode) {
  return std::any_of(episode.demands().begin(), episode.demands().end(),
                     [](const v1::DemandChange& demand) { return !demand.outcomes().empty(); });
}

// Root mean square of the difference over the traits and demands of both; nullopt when they share no trait.
std::optional<double> Distance(const DriftMove& a, const DriftMove& b) {
  double squares = 0;
  int count = 0;
  for (size_t i = 0; i < kTraitCount; ++i) {
    if (!a.traits.there[i] || !b.traits.there[i]) continue;
    const double difference = a.traits.numbers[i] - b.traits.numbers[i];
    squares += difference * difference;
    ++count;
  }
  if (count == 0) return std::nullopt;
  for (size_t i = 0; i < kDemandCount; ++i) {
    if (!a.demands[i].has_value() || !b.demands[i].has_value()) continue;
    const double difference = *a.demands[i] - *b.demands[i];
    squares += difference * difference;
    ++count;
  }
  return std::sqrt(squares / count);
}

}  // namespace

double DampedIncrease(double increase, double utilisation) {
  if (!(increase > 0)) return increase;
  return increase * (1 - std::clamp(std::isfinite(utilisation) ? utilisation : 1.0, 0.0, 1.0));
}

std::optional<double> DemandMove(size_t demand, std::optional<double> usual, std::optional<double> now) {
  const double least = LeastDemand(demand);
  if (!(usual.value_or(0) >= least) || !(now.value_or(0) >= least)) return std::nullopt;
  return std::log(*now / *usual);
}

DriftMove MoveOf(const v1::DriftEpisode& episode) {
  DriftMove move;
  for (const auto& shift : episode.shifts()) {
    for (size_t i = 0; i < kTraitCount; ++i) {
      if (shift.trait() != TraitName(i)) continue;
      move.traits.there[i] = true;
      move.traits.numbers[i] = shift.shift();
    }
  }
  for (const auto& change : episode.demands()) {
    for (size_t i = 0; i < kDemandCount; ++i) {
      if (change.demand() == DemandName(i)) move.demands[i] = DemandMove(i, change.usual(), change.at_detection());
    }
  }
  return move;
}

void Episodes::Put(v1::DriftEpisode episode) {
  if (!IsSound(episode)) return;
  const DriftMove move = MoveOf(episode);
  // What changes is young: from the newest on.
  const auto known = std::find_if(episodes_.rbegin(), episodes_.rend(), [&episode](const Entry& entry) {
    return entry.episode.episode_id() == episode.episode_id();
  });
  if (known != episodes_.rend()) {
    *known = {std::move(episode), move};
    return;
  }
  episodes_.push_back({std::move(episode), move});
  if (episodes_.size() > kMost) episodes_.pop_front();
}

const v1::DriftEpisode* Episodes::Find(std::string_view id) const {
  const auto found = std::find_if(episodes_.rbegin(), episodes_.rend(),
                                  [id](const Entry& entry) { return entry.episode.episode_id() == id; });
  return found == episodes_.rend() ? nullptr : &found->episode;
}

std::vector<Episodes::Near> Episodes::Nearest(std::string_view application, const DriftMove& move,
                                              std::string_view except) const {
  std::vector<Near> near;
  for (const Entry& entry : episodes_) {
    if (entry.episode.episode_id() == except || !HasOutcomes(entry.episode)) continue;
    const auto distance = Distance(move, entry.move);
    if (distance.has_value() && *distance <= kFarthest) near.push_back({&entry.episode, *distance});
  }
  const size_t count = std::min(kNeighbours, near.size());
  const auto is_other = [application](const Near& one) { return one.episode->application() != application; };
  std::partial_sort(near.begin(), near.begin() + static_cast<std::ptrdiff_t>(count), near.end(),
                    [&is_other](const Near& a, const Near& b) {
                      return std::pair(is_other(a), a.distance) < std::pair(is_other(b), b.distance);
                    });
  near.resize(count);
  return near;
}

std::vector<Episodes::Prediction> Episodes::Predict(const std::vector<Near>& near) {
  std::vector<Prediction> predictions;
  for (size_t demand = 0; demand < kDemandCount; ++demand) {
    for (const double after : kOutcomeSeconds) {
      double weights = 0;
      double changes = 0;
      for (const Near& one : near) {
        const double distance = std::max(kNearest, one.distance);
        const double weight = 1 / (distance * distance);
        for (const auto& change : one.episode->demands()) {
          if (change.demand() != DemandName(demand)) continue;
          for (const auto& outcome : change.outcomes()) {
            if (SecondsOf(outcome) != after) continue;
            weights += weight;
            changes += weight * std::log(std::clamp(outcome.change_factor(), 1 / kMostChange, kMostChange));
          }
        }
      }
      if (weights > 0) predictions.push_back({demand, after, std::expm1(changes / weights)});
    }
  }
  return predictions;
}

}  // namespace truce
