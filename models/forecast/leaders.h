// Which series of one host lead which others: an encoder's load rises, and a minute later a storage service writes.
//
//   values ─► what the past did not foresee (whitener) ─┬─► moves as bits ─► all pairs, a few at each step ─►
//   candidates
//                                                       └─► candidates' cross-correlations at every lag ─► leads
//
// A host with N series has N^2 pairs, too many to follow each at every lag. So every follower has a few candidates. All
// pairs are looked through in turn, coarsely, over the last 256 steps (models/forecast/move_bits.h), and those that
// moved together best become candidates, whosever they are. A candidate starts from nothing, so what made it one does
// not count for it, and makes room when nothing comes of it. Where each can have all others as candidates, each has.
//
// A lead is significant over all pairs and lags there are, candidates or not, and over looking again and again: its
// chance (models/forecast/lagged_pair.h) times pairs x lags x kLooks is at most `significance` (Bonferroni). That
// bounds the chance of a single false lead on the host, and so the share of false ones too.
//
// Pure; one thread's. With the defaults about 5 KB a series. A step costs O(series x candidates x lags + screened x
// lags).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "models/forecast/demand_horizons.h"
#include "models/forecast/lagged_pair.h"
#include "models/forecast/leader_push.h"
#include "models/forecast/move_bits.h"
#include "models/forecast/whitener.h"

namespace truce {

struct LeaderOptions {
  // A leader is ahead by 1 to so many steps; at most 63.
  size_t lags = kDemandHorizons.back();
  // What was seen so many steps ago counts by a factor e less. A series that was not there for as long is forgotten.
  size_t memory_steps = 1'000;
  // The chance of any false lead on the host.
  double significance = 0.01;
  // A follower's.
  size_t candidates = 8;
  // Pairs that are looked through at a step.
  size_t screened = 2'000;
};

struct StepValue {
  // The caller's: of a workload's CPU, of another's disk, or of the sum over the host.
  uint64_t id = 0;
  double value = 0;
};

struct Lead {
  uint64_t leader = 0;
  size_t lag_steps = 0;
  // Of what neither series' own past foresaw, within -1..1; what it comes to when it comes a step early or late counts
  // for the other lag.
  double correlation = 0;
  // What a change of the leader by 1 adds to the follower, in the units of both.
  double gain = 0;
  // 1 - the chance that the host has any such lead without a cause; at least 1 - significance.
  double confidence = 0;
};

class LeaderFinder {
 public:
  explicit LeaderFinder(LeaderOptions options = {});

  // The next step, at equal distances: the values there are, each id once. One that is NaN or not there is missing.
  void Observe(absl::Span<const StepValue> step);
  // The surest first; empty when none is significant, or for a series that is not known.
  std::vector<Lead> LeadersOf(uint64_t follower) const;
  // What the surest leader has done that has yet to reach the follower; nothing without a leader. Another leader is
  // mostly the same one's echo, so they are not added up.
  LeaderPush PushOn(uint64_t follower) const;
  // Series that are known.
  size_t series() const { return series_.size(); }

 private:
  // After so many steps that a false lead of a month ago counts as one.
  static constexpr double kLooks = 100;

  struct Candidate {
    size_t leader = 0;  // in series_
    double score = 0;
    LaggedPair pair;
  };
  struct Tracked {
    uint64_t id = 0;
    size_t seen_step = 0;
    Whitener whitener;
    RecentSurprises recent;
    MoveBits moves;
    std::vector<Candidate> candidates;
  };

  Tracked& Of(uint64_t id);
  void Add(double value, Tracked* tracked);
  bool AllAreCandidates() const { return series_.size() <= options_.candidates + 1; }
  void TakeAll();
  // The next options_.screened pairs.
  void Screen();
  void Consider(size_t leader, Tracked* follower);
  void ForgetGone();
  double Tests() const;
  Lead ToLead(const Candidate& candidate, const LaggedPair::Lag& lag) const;

  LeaderOptions options_;
  double keep_;
  size_t step_ = 0;
  size_t next_pair_ = 0;
  std::vector<Tracked> series_;
  absl::flat_hash_map<uint64_t, size_t> index_;
};

}  // namespace truce
