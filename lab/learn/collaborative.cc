#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>

#include "lab/learn/linear.h"
#include "lab/learn/predictor.h"

namespace truce::lab {
namespace {

constexpr size_t kFactors = 3;
constexpr int kEpochs = 150;
constexpr double kRate = 0.02;
constexpr double kPenalty = 0.02;

// What is learned of one program in one of its two roles.
struct Factors {
  double bias = 0;
  std::array<double, kFactors> factors{};
};

// How much of the victim's CPUs the two share: none, some, all.
size_t SharingClass(const PairContext& context) {
  if (context.cpus_of_victim <= 0) return 0;
  return context.cpus_of_victim < 1 ? 1 : 2;
}

class CollaborativePredictor : public Predictor {
 public:
  CollaborativePredictor(int profiled, uint64_t seed) : profiled_(profiled), random_(seed) {}

  absl::Status Fit(const ExampleList& training, const ExampleList& validation) override {
    ExampleList all = training;
    all.insert(all.end(), validation.begin(), validation.end());
    for (const InterferenceExample* example : all) {
      for (const std::string& program : example->programs) Know(program);
    }
    ScaleClasses(all);
    Descend(all, nullptr);
    Eigen::MatrixXd column(static_cast<Eigen::Index>(all.size()), 1);
    for (size_t i = 0; i < all.size(); ++i) column(static_cast<Eigen::Index>(i), 0) = Expected(*all[i]);
    link_.Fit(column, all, 1e-3);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<InterferencePrediction>> Predict(const ExampleList& examples) override {
    // Paragon's profiling: a few meetings of each program that is new.
    std::map<std::string, std::set<size_t>> meetings;
    ExampleList profile;
    for (const InterferenceExample* example : examples) {
      bool chosen = false;
      for (const std::string& program : example->programs) {
        if (known_.contains(program)) continue;
        std::set<size_t>& met = meetings[program];
        if (met.size() >= static_cast<size_t>(profiled_) && !met.contains(example->meeting)) continue;
        met.insert(example->meeting);
        chosen = true;
      }
      if (chosen) profile.push_back(example);
    }
    const std::set<std::string> old = known_;
    for (const auto& [program, _] : meetings) Know(program);
    Descend(profile, &old);
    std::vector<InterferencePrediction> predictions;
    Eigen::MatrixXd column(static_cast<Eigen::Index>(examples.size()), 1);
    for (size_t i = 0; i < examples.size(); ++i) column(static_cast<Eigen::Index>(i), 0) = Expected(*examples[i]);
    predictions = link_.Predict(column);
    for (size_t i = 0; i < examples.size(); ++i) {
      predictions[i].log_slowdown = std::max(0.0, column(static_cast<Eigen::Index>(i), 0));
    }
    known_ = old;
    return predictions;
  }

 private:
  void Know(const std::string& program) {
    if (!known_.insert(program).second) return;
    std::normal_distribution<double> small(0, 0.1);
    for (Factors* factors : {&victims_[program], &aggressors_[program]}) {
      *factors = Factors();
      for (double& one : factors->factors) one = small(random_);
    }
  }

  // Slowdowns of pairs that share some or all of their CPUs are of another size: everything is learned relative to it.
  void ScaleClasses(const ExampleList& examples) {
    std::array<double, 3> sums{};
    std::array<double, 3> counts{};
    for (const InterferenceExample* example : examples) {
      if (example->contexts.size() != 1) continue;
      const size_t which = SharingClass(example->contexts[0]);
      sums[which] += std::max(0.0, example->log_slowdown);
      counts[which] += 1;
    }
    for (size_t i = 0; i < scale_.size(); ++i) scale_[i] = counts[i] > 0 ? std::max(0.01, sums[i] / counts[i]) : 0.1;
  }

  double PairPart(const InterferenceExample& example, size_t a) {
    const Factors& victim = victims_[example.programs[0]];
    const Factors& aggressor = aggressors_[example.programs[a + 1]];
    double sum = 1 + victim.bias + aggressor.bias;
    for (size_t k = 0; k < kFactors; ++k) sum += victim.factors[k] * aggressor.factors[k];
    return scale_[SharingClass(example.contexts[a])] * sum;
  }

  double Expected(const InterferenceExample& example) {
    double sum = 0;
    for (size_t a = 0; a < example.aggressors.size(); ++a) sum += PairPart(example, a);
    return sum;
  }

  // Stochastic gradient descent over all parameters, or over those of programs that are not in `fixed`.
  void Descend(ExampleList examples, const std::set<std::string>* fixed) {
    const auto moves = [fixed](const std::string& program) { return fixed == nullptr || !fixed->contains(program); };
    for (int epoch = 0; epoch < kEpochs; ++epoch) {
      std::shuffle(examples.begin(), examples.end(), random_);
      for (const InterferenceExample* example : examples) {
        const double error = std::clamp(Expected(*example) - example->log_slowdown, -1.0, 1.0);
        for (size_t a = 0; a < example->aggressors.size(); ++a) {
          const double step = error * scale_[SharingClass(example->contexts[a])];
          Factors& victim = victims_[example->programs[0]];
          Factors& aggressor = aggressors_[example->programs[a + 1]];
          const Factors before = victim;
          if (moves(example->programs[0])) Move(victim, aggressor, step);
          if (moves(example->programs[a + 1])) Move(aggressor, before, step);
        }
      }
    }
  }

  static void Move(Factors& one, const Factors& other, double step) {
    one.bias -= kRate * (step + kPenalty * one.bias);
    for (size_t k = 0; k < kFactors; ++k)
      one.factors[k] -= kRate * (step * other.factors[k] + kPenalty * one.factors[k]);
  }

  const int profiled_;
  std::mt19937_64 random_;
  std::set<std::string> known_;
  std::map<std::string, Factors> victims_;
  std::map<std::string, Factors> aggressors_;
  std::array<double, 3> scale_{};
  LinearModel link_;
};

}  // namespace

std::unique_ptr<Predictor> NewCollaborativePredictor(int profiled, uint64_t seed) {
  return std::make_unique<CollaborativePredictor>(profiled, seed);
}

}  // namespace truce::lab
