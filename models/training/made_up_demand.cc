#include "models/training/made_up_demand.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

namespace truce {
namespace {

// A five-minute day, and shorter ones.
constexpr std::array<size_t, 6> kPeriods = {288, 288, 144, 96, 48, 24};
constexpr double kMostBurst = 200;

class Maker {
 public:
  Maker(size_t length, uint64_t seed) : random_(seed), values_(length, 0) {}

  MadeUpDemand Make() {
    MadeUpDemand made;
    const size_t period = kPeriods[Below(kPeriods.size())];
    const bool seasonal = Chance(0.55);
    Level();
    if (seasonal) Day(period);
    if (Chance(0.3)) Jobs(seasonal ? period : 0);
    if (Chance(0.6)) Bursts();
    if (Chance(0.15)) Ramps();
    if (Chance(0.12)) OnAndOff();
    Noise();
    Shape();
    made.season_steps = seasonal ? (Chance(0.85) ? period : 0) : (Chance(0.6) ? period : 0);
    made.values = std::move(values_);
    return made;
  }

 private:
  bool Chance(double probability) { return std::uniform_real_distribution<double>(0, 1)(random_) < probability; }
  size_t Below(size_t bound) { return std::uniform_int_distribution<size_t>(0, bound - 1)(random_); }
  double Uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(random_); }
  double Normal(double deviation = 1) { return deviation * normal_(random_); }
  double LogUniform(double low, double high) { return std::exp(Uniform(std::log(low), std::log(high))); }

  // About 1: what comes back to its mean, fast or slowly, and at times jumps for good.
  void Level() {
    const double memory = Chance(0.3) ? 1 - LogUniform(1e-4, 0.02) : Uniform(0, 0.99);
    const double step = Chance(0.15) ? 0 : LogUniform(0.01, 0.5) * std::sqrt(1 - memory * memory);
    const double jumps = Chance(0.5) ? 0 : LogUniform(5e-4, 0.02);
    double level = Normal(0.5), target = 0;
    for (double& value : values_) {
      if (Chance(jumps)) target = Normal(0.8);
      level = target + memory * (level - target) + Normal(step);
      value = std::exp(std::clamp(level, -5.0, 5.0));
    }
  }

  // A smooth curve of few waves, or hours of work.
  void Day(size_t period) {
    std::vector<double> shape(period, 0);
    if (Chance(0.6)) {
      for (size_t wave = 1; wave <= 1 + Below(4); ++wave) {
        const double height = Uniform(0.1, 1) / static_cast<double>(wave);
        const double phase = Uniform(0, 2 * M_PI);
        for (size_t i = 0; i < period; ++i) {
          shape[i] += height * std::sin(2 * M_PI * static_cast<double>(wave * i) / static_cast<double>(period) + phase);
        }
      }
    } else {
      const size_t begin = Below(period), hours = period / 8 + Below(period / 2);
      for (size_t i = 0; i < hours; ++i) shape[(begin + i) % period] = 1;
    }
    const double strength = LogUniform(0.1, 2);
    const size_t phase = Below(period);
    for (size_t i = 0; i < values_.size(); ++i) values_[i] *= std::exp(strength * shape[(i + phase) % period]);
  }

  // By the clock: every so many steps, or at a few times of the day, for some steps each.
  void Jobs(size_t period) {
    const size_t every = period > 0 && Chance(0.5) ? period : 3 + Below(60);
    const size_t lasts = 1 + Below(std::max<size_t>(1, every / 4));
    const size_t begin = Below(every);
    const size_t jitter = Chance(0.3) ? 1 + Below(3) : 0;
    const double height = LogUniform(0.3, 20);
    for (size_t at = begin; at < values_.size(); at += every) {
      const size_t late = jitter > 0 ? Below(jitter + 1) : 0;
      const double this_one = height * (1 + Normal(0.1));
      for (size_t i = at + late; i < std::min(values_.size(), at + late + lasts); ++i) values_[i] += this_one;
    }
  }

  // Whenever; their height has a heavy tail (Pareto), and they last or fade.
  void Bursts() {
    const double rate = LogUniform(0.002, 0.2);
    const double tail = Uniform(1, 3);
    const double size = LogUniform(0.3, 5);
    const double fades = Chance(0.5) ? 0 : Uniform(0.3, 0.95);
    double burst = 0;
    for (double& value : values_) {
      burst *= fades;
      if (Chance(rate)) burst = std::min(kMostBurst, burst + size * std::pow(Uniform(1e-6, 1), -1 / tail));
      value += burst;
    }
  }

  // Up until a restart, as memory goes.
  void Ramps() {
    const double slope = LogUniform(1e-3, 0.05);
    const double restarts = LogUniform(1e-3, 0.02);
    double risen = 0;
    for (double& value : values_) {
      risen = Chance(restarts) ? 0 : risen + slope;
      value += risen;
    }
  }

  void OnAndOff() {
    const double ends = LogUniform(0.005, 0.2);
    const double off = Chance(0.6) ? 0 : Uniform(0, 0.2);
    bool on = Chance(0.5);
    for (double& value : values_) {
      if (Chance(ends)) on = !on;
      if (!on) value *= off;
    }
  }

  void Noise() {
    const double relative = Chance(0.1) ? 0 : LogUniform(0.005, 0.5);
    const double absolute = Chance(0.6) ? 0 : LogUniform(0.005, 0.5);
    for (double& value : values_) value = std::max(0.0, value * std::exp(Normal(relative)) + Normal(absolute));
  }

  // Ceilings, whole numbers, values that stay for a while, gaps, and a unit.
  void Shape() {
    if (Chance(0.15)) {
      std::vector<double> sorted = values_;
      std::sort(sorted.begin(), sorted.end());
      const double ceiling = sorted[sorted.size() * (80 + Below(20)) / 100];
      for (double& value : values_) value = std::min(value, ceiling);
    }
    if (Chance(0.3)) {
      const double steps = LogUniform(3, 300);
      const double most = *std::max_element(values_.begin(), values_.end());
      if (most > 0) {
        for (double& value : values_) value = std::round(value / most * steps);
      }
    }
    if (Chance(0.1)) {
      const double changes = LogUniform(0.02, 0.5);
      for (size_t i = 1; i < values_.size(); ++i) {
        if (!Chance(changes)) values_[i] = values_[i - 1];
      }
    }
    const double unit = LogUniform(1e-3, 1e9);
    const double gaps = Chance(0.2) ? LogUniform(1e-3, 0.05) : 0;
    for (double& value : values_) value = Chance(gaps) ? NAN : value * unit;
  }

  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  std::vector<double> values_;
};

}  // namespace

std::vector<MadeUpDemand> MakeUpDemand(size_t count, size_t length, uint64_t seed, size_t rank, size_t processes) {
  std::vector<MadeUpDemand> made(count);
  std::mt19937_64 seeds(seed);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t one = seeds();
    if (i % processes == rank) made[i] = Maker(length, one).Make();
  }
  return made;
}

}  // namespace truce
