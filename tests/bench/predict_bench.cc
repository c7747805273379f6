// truce-bench predict: one tick of inference in the agent, as it runs there: a sample of every workload, one LSTM step
// each, then all ordered pairs. And what the same scores would cost if the network ran for each pair anew.
#include <map>
#include <memory>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/predict/model_scorer.h"
#include "src/base/status.h"
#include "src/host/file.h"
#include "tests/bench/bench.h"

namespace truce::bench {
namespace {

constexpr int kCpus = 16;
// Beyond this many workloads the other way takes minutes a tick.
constexpr int kMostForPairRuns = 100;

// Workloads that are not alike, on overlapping halves of the CPUs, one second after another.
class Host {
 public:
  explicit Host(int workloads) {
    for (int i = 0; i < workloads; ++i) {
      const auto key = static_cast<uint64_t>(i) + 1;
      auto profile = std::make_unique<agent::Profile>(options_);
      profile->identity.key = key;
      for (int cpu = i % 2 * kCpus / 4; cpu < i % 2 * kCpus / 4 + kCpus / 2; ++cpu) profile->free_cpus.push_back(cpu);
      profile->samples_seen = 1000;
      profiles_[key] = std::move(profile);
    }
  }

  void Second() {
    ++seconds_;
    for (auto& [key, profile] : profiles_) {
      Sample sample;
      sample.taken_at = absl::Seconds(seconds_);
      sample.interval = absl::Seconds(1);
      sample.set(Reading::kCpuUsageCores, 0.3 + noise_(random_) + static_cast<double>(key % 7) * 0.3);
      sample.set(Reading::kCpuAllowedCount, kCpus / 2.0);
      sample.set(Reading::kPsiCpuSomeRatio, noise_(random_));
      sample.set(Reading::kPageFaultsPerSecond, 1000 * noise_(random_));
      sample.set(Reading::kMemoryWorkingSetBytes, 1e8 * static_cast<double>(key % 5 + 1));
      profile->window.Add(sample);
      profile->usage.Learn(sample.value(Reading::kCpuUsageCores));
    }
  }
  const agent::Profiles& profiles() const { return profiles_; }

 private:
  const agent::ProfilerOptions options_;
  agent::Profiles profiles_;
  int seconds_ = 0;
  std::mt19937_64 random_{7};
  std::uniform_real_distribution<double> noise_{0, 0.5};
};

Topology SomeTopology() {
  Topology topology;
  for (int cpu = 0; cpu < kCpus; ++cpu) topology.cpus.push_back({cpu, cpu / 2, 0, 0});
  return topology;
}

double Milliseconds(absl::Duration duration) {
  return absl::ToDoubleMilliseconds(duration);
}

// Every ordered pair through the whole network: the victim's and the aggressor's last samples, then the head.
double PairRuns(InterferenceModel& model, const Host& host, const Clock& clock) {
  constexpr size_t kSteps = 24;
  std::vector<InputSequence> sequences;
  for (const auto& [key, profile] : host.profiles()) {
    InputSequence& sequence = sequences.emplace_back();
    for (size_t age = std::min(kSteps, profile->window.size()); age-- > 0;) {
      sequence.push_back(MakeModelInput(profile->window.back(age)));
    }
  }
  const absl::Duration begin = clock.Monotonic();
  double sum = 0;
  for (size_t v = 0; v < sequences.size(); ++v) {
    for (size_t a = 0; a < sequences.size(); ++a) {
      if (a == v) continue;
      InterferenceExample example;
      example.victim = sequences[v];
      example.aggressors = {sequences[a]};
      example.contexts.resize(1);
      sum += model.Predict(example).probability;
    }
  }
  return sum >= 0 ? Milliseconds(clock.Monotonic() - begin) : 0;
}

}  // namespace

absl::StatusOr<BenchResult> RunPredictBench(const PredictBenchOptions& options, const Surroundings& surroundings) {
  TRUCE_ASSIGN_OR_RETURN(const std::string bytes, host::ReadFile(options.model));
  BenchResult result;
  const Clock& clock = *surroundings.clock;
  for (const int workloads : options.workloads) {
    TRUCE_ASSIGN_OR_RETURN(ModelFile file, ParseModel(bytes, options.model));
    InterferenceModel model = file.model;
    agent::ModelScorer scorer(std::move(file), SomeTopology(), {});
    Host host(workloads);
    std::vector<double> steps, scorings;
    size_t pairs = 0;
    size_t signatures = 0;
    for (int i = -5; i < options.repeats; ++i) {
      if (surroundings.stop->load()) return absl::CancelledError("interrupted");
      host.Second();
      const absl::Duration begin = clock.Monotonic();
      scorer.Tick(host.profiles());
      const absl::Duration between = clock.Monotonic();
      pairs = scorer.Score(host.profiles()).size();
      signatures += scorer.Sign(host.profiles()).size();
      const absl::Duration end = clock.Monotonic();
      if (i < 0) continue;  // warming up
      steps.push_back(Milliseconds(between - begin));
      scorings.push_back(Milliseconds(end - begin));
    }
    const std::string where = absl::StrCat(" at ", workloads);
    std::optional<Target> target;
    if (workloads == 100) target = AtMost(1.5);  // design.md section 7
    result.notes.push_back(absl::StrCat(pairs, " of ", workloads * (workloads - 1), " pairs stand out", where, ", ",
                                        signatures, " signatures in ", options.repeats + 5, " scorings"));
    result.table.AddSamples(absl::StrCat("tick with all pairs", where), scorings, "ms", target);
    result.table.AddSamples(absl::StrCat("tick without scoring", where), steps, "ms");
    if (workloads > kMostForPairRuns) continue;
    const double slow = PairRuns(model, host, clock);
    result.table.Add({.name = absl::StrCat("network run for each pair", where), .value = slow, .unit = "ms"});
    result.table.Add({.name = absl::StrCat("that against the tick", where),
                      .value = slow / Summarize(scorings).median,
                      .unit = "x"});
  }
  return result;
}

}  // namespace truce::bench
