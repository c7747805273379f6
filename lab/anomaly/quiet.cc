#include "lab/anomaly/quiet.h"

#include <cmath>
#include <numbers>
#include <random>

namespace truce::lab {
namespace {

constexpr int kDay = static_cast<int>(86400 / kQuietSpacingSeconds);

class Maker {
 public:
  Maker(QuietKind kind, uint64_t seed) : kind_(kind), random_(seed) {}

  double Next(int index) {
    switch (kind_) {
      case QuietKind::kConstant:
        return 3;
      case QuietKind::kNormal:
        return 50 + 5 * Normal();
      case QuietKind::kLognormal:
        return std::exp(Normal());
      case QuietKind::kAutoregressive:
        return level_ = 0.95 * level_ + Normal();
      case QuietKind::kDailyWave:
        return 40 + 20 * std::sin(2 * std::numbers::pi * index / kDay) + 3 * Normal();
      case QuietKind::kDailyJob:
        return index % kDay / 2 == kDay / 8 ? 42 + Normal() : 2 + 0.1 * Normal();
      case QuietKind::kCounts:
        return std::poisson_distribution<int>(3)(random_);
      case QuietKind::kBursts:
        return Burst();
    }
    return 0;
  }

 private:
  double Normal() { return normal_(random_); }
  // Two or three times a day for up to 50 minutes, as high as chance will have it.
  double Burst() {
    if (left_ == 0 && std::uniform_int_distribution<int>(0, 99)(random_) == 0) {
      left_ = std::uniform_int_distribution<int>(1, 10)(random_);
      level_ = 50 * std::exponential_distribution<double>(1)(random_);
    }
    if (left_ == 0) return 0.1 + 0.01 * Normal();
    --left_;
    return level_ + std::abs(Normal());
  }

  QuietKind kind_;
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  double level_ = 0;
  int left_ = 0;
};

}  // namespace

const std::vector<QuietKind>& QuietKinds() {
  static const auto* const all = new std::vector<QuietKind>{
      QuietKind::kConstant,  QuietKind::kNormal,   QuietKind::kLognormal, QuietKind::kAutoregressive,
      QuietKind::kDailyWave, QuietKind::kDailyJob, QuietKind::kCounts,    QuietKind::kBursts};
  return *all;
}

std::string_view QuietName(QuietKind kind) {
  switch (kind) {
    case QuietKind::kConstant:
      return "constant";
    case QuietKind::kNormal:
      return "normal noise";
    case QuietKind::kLognormal:
      return "lognormal noise";
    case QuietKind::kAutoregressive:
      return "autoregressive";
    case QuietKind::kDailyWave:
      return "daily wave";
    case QuietKind::kDailyJob:
      return "daily job";
    case QuietKind::kCounts:
      return "counts";
    case QuietKind::kBursts:
      return "bursts";
  }
  return "";
}

std::vector<double> QuietSeries(QuietKind kind, int weeks, uint64_t seed) {
  Maker maker(kind, seed);
  std::vector<double> values;
  values.reserve(static_cast<size_t>(7 * kDay * weeks));
  for (int i = 0; i < 7 * kDay * weeks; ++i) values.push_back(maker.Next(i));
  return values;
}

}  // namespace truce::lab
