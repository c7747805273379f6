// A stage for the scorer: workloads whose use and suffering a test scripts second by second. They pass through the real
// sampler and the real profiler, from files, so a test's numbers are what an agent would have seen.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>

#include "agent/predict/evidence_scorer.h"
#include "agent/profile/profiler.h"
#include "tests/agent/sense/rig.h"

namespace truce::agent {

// What one workload does in a second. Shares are 0-1; noise is added by the stage.
struct Act {
  double cores = 0;
  double cpu_waiting = 0;
  double io_waiting = 0;
  double read_bytes = 0;
  double write_bytes = 0;
  // Share of quota periods throttled.
  double throttled = 0;
  // Held back by an action of ours.
  bool under_action = false;
};

class Stage {
 public:
  explicit Stage(EvidenceOptions evidence = {}, ProfilerOptions profiler = {})
      : profiler_(profiler), scorer_(evidence) {}

  // What the workload does from now on; makes it when it is new.
  Act& operator[](const std::string& name) { return cast_[name].act; }
  // Share of the host's CPU time stolen from now on.
  double steal = 0;
  // Relative noise of use, absolute noise of waiting shares.
  double usage_noise = 0.05;
  double waiting_noise = 0.01;

  void Second() {
    for (auto& [name, actor] : cast_) Play("w/" + name, actor);
    host_ticks_ += 1000;
    stolen_ticks_ += static_cast<int64_t>(1000 * steal);
    rig_.proc.Put("stat", StrCat("cpu  ", host_ticks_ - stolen_ticks_, " 0 0 0 0 0 0 ", stolen_ticks_, " 0 0\n"));
    rig_.Tick();
    for (const auto& [name, actor] : cast_) {
      if (Workload* workload = rig_.sampler->Find("w/" + name)) workload->sample.under_action = actor.act.under_action;
    }
    profiler_.Tick(*rig_.sampler);
  }
  // Five seconds and a scoring, as an agent does by default.
  const Scores& Round() {
    for (int i = 0; i < 5; ++i) Second();
    return Score();
  }
  const Scores& Score() {
    scores_ = scorer_.Score(profiler_.profiles(), profiler_.options().least_samples, rig_.clock.Now());
    return scores_;
  }
  void Rounds(int count) {
    for (int i = 0; i < count; ++i) Round();
  }

  const Scores& scores() const { return scores_; }
  WorkloadVerdict Verdict(const std::string& name) {
    const Workload* workload = rig_.sampler->Find("w/" + name);
    if (workload == nullptr) return {};
    const auto entry = scores_.verdicts.find(workload->identity.key);
    return entry == scores_.verdicts.end() ? WorkloadVerdict{} : entry->second;
  }
  v1::Diagnosis Diagnosis(const std::string& name) { return Verdict(name).diagnosis; }
  std::optional<v1::PairScore> Pair(const std::string& victim, const std::string& aggressor) const {
    for (const v1::PairScore& pair : scores_.pairs) {
      if (pair.victim() == "w/" + victim && pair.aggressor() == "w/" + aggressor) return pair;
    }
    return std::nullopt;
  }
  // 0 for a pair that is not reported.
  double Score(const std::string& victim, const std::string& aggressor) const {
    const auto pair = Pair(victim, aggressor);
    return pair ? pair->score() : 0;
  }
  const Profiles& profiles() const { return profiler_.profiles(); }
  const Clock& clock() const { return rig_.clock; }
  const Profile& ProfileOf(const std::string& name) {
    return *profiler_.profiles().at(rig_.sampler->Find("w/" + name)->identity.key);
  }

 private:
  struct Actor {
    Act act;
    double usage_us = 0, cpu_us = 0, io_us = 0, read = 0, written = 0;
    int64_t periods = 0;
    double throttled = 0;
  };

  double Noisy(double value, double deviation) {
    return value <= 0 ? 0 : std::max(0.0, value + deviation * normal_(random_));
  }
  void Play(const std::string& path, Actor& actor) {
    const Act& act = actor.act;
    actor.usage_us += 1e6 * Noisy(act.cores, act.cores * usage_noise);
    actor.cpu_us += 1e6 * std::min(1.0, Noisy(act.cpu_waiting, waiting_noise));
    actor.io_us += 1e6 * std::min(1.0, Noisy(act.io_waiting, waiting_noise));
    actor.read += Noisy(act.read_bytes, act.read_bytes * usage_noise);
    actor.written += Noisy(act.write_bytes, act.write_bytes * usage_noise);
    actor.periods += 10;
    actor.throttled += 10 * act.throttled;
    rig_.throttling =
        StrCat("nr_periods ", actor.periods, "\nnr_throttled ", static_cast<int64_t>(actor.throttled), "\n");
    rig_.PutUsage(path, static_cast<int64_t>(actor.usage_us));
    rig_.PutPressure(path, "cpu", static_cast<int64_t>(actor.cpu_us), std::nullopt);
    rig_.PutPressure(path, "io", static_cast<int64_t>(actor.io_us), 0);
    rig_.tree.Put(path + "/io.stat", StrCat("8:0 rbytes=", static_cast<int64_t>(actor.read),
                                            " wbytes=", static_cast<int64_t>(actor.written), " rios=1 wios=1\n"));
  }

  Rig rig_{Layout::kV2};
  Profiler profiler_;
  EvidenceScorer scorer_;
  Scores scores_;
  std::map<std::string, Actor> cast_;
  std::mt19937 random_{20240611};
  std::normal_distribution<double> normal_{0, 1};
  int64_t host_ticks_ = 0;
  int64_t stolen_ticks_ = 0;
};

}  // namespace truce::agent
