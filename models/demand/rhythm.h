// Bursts that come back: when the next one begins, and how high it reaches. Pure; an object is one series' and one
// thread's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace truce {

// A burst that is expected or under way.
struct NextBurst {
  // Samples until it begins; at most 0 while it lasts.
  double begins_in = 0;
  // What it is expected to reach, in the unit of the samples.
  double peak = 0;
  // Samples from the one before to this.
  double period = 0;
  // Bursts of the past that this rests on.
  int seen = 0;
};

// Watches one demand at equal distances (the agent: CPU use, once a second). A burst is a stay in the upper part of the
// range between the 20th and the 98th percentile of the last kWindow samples, where these lie far enough apart. The
// next one is expected one period after the last, where the distances of the last bursts agree; they may also agree in
// turns of up to kLongestTurn (60, 20, 60, 20). Anchoring at the last burst instead of counting phases keeps it right
// when the period is no whole number of samples, and when the workload was late once.
// Memory about 2.6 KB; 0.1 us a sample, and a few us each kLookEvery samples.
class Rhythm {
 public:
  static constexpr size_t kWindow = 600;
  static constexpr size_t kLongestTurn = 3;
  // Bursts that must agree before the next one is foretold.
  static constexpr int kLeastSeen = 4;

  // The next sample; NaN or infinite when it is missing, which counts as none of both.
  void Observe(double value);
  // The burst that is under way, or the next one where that begins within `within` samples; nullopt when none is
  // foretold.
  std::optional<NextBurst> Next(double within) const;

 private:
  struct Burst {
    int64_t began = 0;
    int64_t length = 0;
    double peak = 0;
  };
  static constexpr int kLookEvery = 15;
  static constexpr size_t kMostBursts = 16;

  void FindLevels();
  void Begin(double value);
  // Samples from the last burst's beginning to the next one's, and how many bursts agree on it; 0 for none.
  std::pair<double, int> Distance() const;
  // What the last bursts reached, the highest but one of many.
  double Peak() const;

  std::vector<float> window_;
  size_t next_ = 0;
  int64_t now_ = -1;
  // Between quiet and burst; nullopt where the two can't be told apart.
  std::optional<double> begins_at_;
  double ends_at_ = 0;
  bool in_burst_ = false;
  // Oldest first; the last one may be under way.
  std::deque<Burst> bursts_;
};

}  // namespace truce
