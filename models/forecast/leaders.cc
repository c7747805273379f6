#include "models/forecast/leaders.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace truce {
namespace {

constexpr size_t kMostLags = 63;
// Moves of so many steps say whether a pair is worth a candidate's place: with less than this chance, as -log.
constexpr size_t kLeastScreenedSteps = 64;
constexpr double kLeastScore = 4;
// A candidate whose best lag has not even this chance, as log, after its trial has none.
constexpr double kPromising = -6;

}  // namespace

LeaderFinder::LeaderFinder(LeaderOptions options) : options_(options) {
  options_.lags = std::clamp<size_t>(options_.lags, 1, kMostLags);
  options_.memory_steps = std::max<size_t>(options_.memory_steps, kWhitenerWarmUp);
  keep_ = 1 - 1 / static_cast<double>(options_.memory_steps);
}

void LeaderFinder::Observe(absl::Span<const StepValue> step) {
  ++step_;
  for (const StepValue& one : step) {
    Tracked& tracked = Of(one.id);
    tracked.seen_step = step_;
    Add(one.value, &tracked);
  }
  for (Tracked& tracked : series_) {
    if (tracked.seen_step != step_) Add(NAN, &tracked);
  }
  ForgetGone();
  for (Tracked& follower : series_) {
    for (Candidate& candidate : follower.candidates) {
      candidate.pair.Observe(series_[candidate.leader].recent, follower.recent, keep_);
    }
  }
  if (AllAreCandidates()) {
    TakeAll();
  } else {
    Screen();
  }
}

LeaderFinder::Tracked& LeaderFinder::Of(uint64_t id) {
  const auto [at, is_new] = index_.try_emplace(id, series_.size());
  if (is_new) {
    series_.push_back({.id = id,
                       .seen_step = step_,
                       .whitener = Whitener(options_.memory_steps),
                       .recent = RecentSurprises(options_.lags),
                       .moves = {},
                       .candidates = {}});
  }
  return series_[at->second];
}

void LeaderFinder::Add(double value, Tracked* tracked) {
  const Surprise surprise = tracked->whitener.Observe(value);
  tracked->recent.Add(surprise);
  tracked->moves.Add(surprise.value);
}

void LeaderFinder::TakeAll() {
  for (size_t f = 0; f < series_.size(); ++f) {
    auto& candidates = series_[f].candidates;
    for (size_t l = 0; l < series_.size(); ++l) {
      const auto is = [l](const Candidate& candidate) { return candidate.leader == l; };
      if (l == f || std::any_of(candidates.begin(), candidates.end(), is)) continue;
      candidates.push_back({l, 0, LaggedPair(options_.lags)});
    }
  }
}

void LeaderFinder::Screen() {
  const size_t count = series_.size();
  const size_t pairs = count * count;
  for (size_t i = 0; i < std::min(options_.screened, pairs); ++i) {
    next_pair_ = next_pair_ + 1 < pairs ? next_pair_ + 1 : 0;
    const size_t follower = next_pair_ / count;
    const size_t leader = next_pair_ % count;
    if (leader != follower) Consider(leader, &series_[follower]);
  }
}

void LeaderFinder::Consider(size_t leader, Tracked* follower) {
  const MoveBits& moves = series_[leader].moves;
  if (std::min(moves.seen(), follower->moves.seen()) < kLeastScreenedSteps) return;
  double score = 0;
  for (size_t lag = 1; lag <= options_.lags; ++lag) score = std::max(score, moves.Score(follower->moves, lag));
  if (score < kLeastScore) return;
  auto& candidates = follower->candidates;
  const auto is = [leader](const Candidate& candidate) { return candidate.leader == leader; };
  if (std::any_of(candidates.begin(), candidates.end(), is)) return;
  const auto has_failed = [this](const Candidate& candidate) {
    return candidate.pair.seen() >= options_.memory_steps / 2 && candidate.pair.Strongest().log_chance > kPromising;
  };
  candidates.erase(std::remove_if(candidates.begin(), candidates.end(), has_failed), candidates.end());
  Candidate newcomer{leader, score, LaggedPair(options_.lags)};
  if (candidates.size() < options_.candidates) {
    candidates.push_back(std::move(newcomer));
    return;
  }
  // One on trial that seemed worth less gives way; one that does well stays.
  const auto worth = [](const Candidate& candidate) {
    return candidate.score - std::min(0.0, candidate.pair.Strongest().log_chance);
  };
  const auto least = std::min_element(candidates.begin(), candidates.end(),
                                      [&](const Candidate& a, const Candidate& b) { return worth(a) < worth(b); });
  if (least != candidates.end() && worth(*least) < score) *least = std::move(newcomer);
}

void LeaderFinder::ForgetGone() {
  constexpr size_t kGone = SIZE_MAX;
  std::vector<size_t> place(series_.size());
  size_t kept = 0;
  for (size_t i = 0; i < series_.size(); ++i) {
    place[i] = step_ - series_[i].seen_step > options_.memory_steps ? kGone : kept++;
  }
  if (kept == series_.size()) return;
  for (size_t i = 0; i < place.size(); ++i) {
    if (place[i] != kGone && place[i] != i) series_[place[i]] = std::move(series_[i]);
  }
  series_.erase(series_.begin() + static_cast<std::ptrdiff_t>(kept), series_.end());
  index_.clear();
  for (size_t i = 0; i < kept; ++i) {
    index_[series_[i].id] = i;
    auto& candidates = series_[i].candidates;
    const auto is_gone = [&](const Candidate& candidate) { return place[candidate.leader] == kGone; };
    candidates.erase(std::remove_if(candidates.begin(), candidates.end(), is_gone), candidates.end());
    for (Candidate& candidate : candidates) candidate.leader = place[candidate.leader];
  }
}

double LeaderFinder::Tests() const {
  const auto count = static_cast<double>(series_.size());
  return count * (count - 1) * static_cast<double>(options_.lags) * kLooks;
}

Lead LeaderFinder::ToLead(const Candidate& candidate, const LaggedPair::Lag& lag) const {
  return {.leader = series_[candidate.leader].id,
          .lag_steps = lag.steps,
          .correlation = lag.correlation,
          .gain = lag.gain,
          .confidence = 1 - std::exp(lag.log_chance + std::log(Tests()))};
}

std::vector<Lead> LeaderFinder::LeadersOf(uint64_t follower) const {
  const auto at = index_.find(follower);
  if (at == index_.end()) return {};
  std::vector<std::pair<double, Lead>> found;
  for (const Candidate& candidate : series_[at->second].candidates) {
    const LaggedPair::Lag lag = candidate.pair.Strongest();
    if (lag.steps == 0 || lag.log_chance + std::log(Tests()) > std::log(options_.significance)) continue;
    found.emplace_back(lag.log_chance, ToLead(candidate, lag));
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Lead> leads;
  for (auto& [chance, lead] : found) leads.push_back(lead);
  return leads;
}

LeaderPush LeaderFinder::PushOn(uint64_t follower) const {
  LeaderPush push;
  const std::vector<Lead> leads = LeadersOf(follower);
  if (leads.empty()) return push;
  const Lead& lead = leads.front();
  const std::vector<double>& changes = series_[index_.at(lead.leader)].recent.change;
  push.share = std::abs(lead.correlation);
  for (size_t i = 0; i < kDemandHorizons.size(); ++i) {
    // A change of `ago` steps ago arrives in lag - ago steps.
    const size_t arriving = std::min(kDemandHorizons[i], lead.lag_steps);
    for (size_t step = 1; step <= arriving; ++step) push.change[i] += lead.gain * changes[lead.lag_steps - step];
    if (!std::isfinite(push.change[i])) return {};
  }
  return push;
}

}  // namespace truce
