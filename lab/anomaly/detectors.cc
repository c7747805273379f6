#include "lab/anomaly/detectors.h"

#include <cmath>
#include <deque>
#include <random>

#include "models/anomaly/anomaly_detector.h"

namespace truce::lab {
namespace {

std::vector<double> ScoreByTruce(const LabelledSeries& series) {
  AnomalyDetector detector;
  std::vector<double> scores;
  scores.reserve(series.values.size());
  for (size_t i = 0; i < series.values.size(); ++i) {
    scores.push_back(detector.Observe(series.seconds[i], series.values[i]));
  }
  return scores;
}

// The benchmark's own baseline: the part of a normal distribution that is nearer to its mean than the value, by mean
// and deviation of the last 6,400 values, which move on by 100 at a time.
class WindowedGaussian {
 public:
  double Observe(double value) {
    if (std::isnan(value)) return 0;
    const double score = window_.empty() ? 0 : 1 - 0.5 * std::erfc(std::abs(value - mean_) / deviation_ / std::sqrt(2));
    if (window_.size() < kWindow) {
      window_.push_back(value);
      Measure();
    } else {
      waiting_.push_back(value);
      if (waiting_.size() == kStep) {
        window_.erase(window_.begin(), window_.begin() + kStep);
        window_.insert(window_.end(), waiting_.begin(), waiting_.end());
        waiting_.clear();
        Measure();
      }
    }
    return score;
  }

 private:
  static constexpr size_t kWindow = 6400;
  static constexpr size_t kStep = 100;
  // Of a series that never changes.
  static constexpr double kLeastDeviation = 1e-6;
  void Measure() {
    double sum = 0;
    for (const double value : window_) sum += value;
    mean_ = sum / static_cast<double>(window_.size());
    double squares = 0;
    for (const double value : window_) squares += (value - mean_) * (value - mean_);
    deviation_ = std::max(kLeastDeviation, std::sqrt(squares / static_cast<double>(window_.size())));
  }
  std::deque<double> window_;
  std::vector<double> waiting_;
  double mean_ = 0;
  double deviation_ = kLeastDeviation;
};

std::vector<double> ScoreByGaussian(const LabelledSeries& series) {
  WindowedGaussian detector;
  std::vector<double> scores;
  for (const double value : series.values) scores.push_back(detector.Observe(value));
  return scores;
}

std::vector<double> ScoreByChance(size_t length, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<double> scores(length);
  for (double& score : scores) score = uniform(random);
  return scores;
}

// One detection at the first point of each window that counts.
std::vector<double> ScoreByLabels(const LabelledSeries& series) {
  std::vector<double> scores(series.values.size(), 0);
  for (const AnomalyWindow& window : series.windows) {
    scores[std::min(window.last, std::max(window.first, NabProbation(scores.size())))] = 1;
  }
  return scores;
}

}  // namespace

const std::vector<Detector>& Detectors() {
  static const auto* const all = new std::vector<Detector>{Detector::kTruce, Detector::kWindowedGaussian,
                                                           Detector::kRandom, Detector::kNone, Detector::kLabels};
  return *all;
}

std::string_view DetectorName(Detector detector) {
  switch (detector) {
    case Detector::kTruce:
      return "truce";
    case Detector::kWindowedGaussian:
      return "windowed gaussian";
    case Detector::kRandom:
      return "random";
    case Detector::kNone:
      return "none";
    case Detector::kLabels:
      return "labels";
  }
  return "";
}

std::vector<double> Score(Detector detector, const LabelledSeries& series, uint64_t seed) {
  switch (detector) {
    case Detector::kTruce:
      return ScoreByTruce(series);
    case Detector::kWindowedGaussian:
      return ScoreByGaussian(series);
    case Detector::kRandom:
      return ScoreByChance(series.values.size(), seed);
    case Detector::kNone:
      return std::vector<double>(series.values.size(), 0.5);
    case Detector::kLabels:
      return ScoreByLabels(series);
  }
  return {};
}

}  // namespace truce::lab
