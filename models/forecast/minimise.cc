#include "models/forecast/minimise.h"

#include <nlopt.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

namespace truce {
namespace {

// NLopt's algorithms expect numbers; where a point is not allowed this one is worse than any.
constexpr double kForbidden = 1e30;
// Small enough that a slope's error is below what is worth a step, large enough that rounding is, too.
constexpr double kDifference = 1e-6;
constexpr double kNoGain = 1e-8;
constexpr double kWorthAnother = 1e-6;

// One search: counts what the function was asked and keeps the best it said, whatever NLopt makes of it.
class Search {
 public:
  Search(const Objective& objective, absl::Span<const double> start, int evaluations)
      : objective_(objective), evaluations_(evaluations) {
    best_.point.assign(start.begin(), start.end());
    best_.value = std::numeric_limits<double>::infinity();
  }

  double Ask(absl::Span<const double> point) {
    ++asked_;
    const double value = objective_(point);
    if (!std::isfinite(value)) return kForbidden;
    if (value < best_.value) {
      best_.value = value;
      best_.point.assign(point.begin(), point.end());
    }
    return value;
  }

  // As NLopt calls it. Bounds of the differences don't matter: only the search without bounds asks for them.
  static double Call(unsigned size, const double* point, double* gradient, void* data) {
    auto& search = *static_cast<Search*>(data);
    const double value = search.Ask({point, size});
    if (gradient != nullptr) search.Differentiate({point, size}, value, gradient);
    if (search.asked_ > search.evaluations_) nlopt_force_stop(search.optimiser_.get());
    return value;
  }

  Minimum Run(nlopt_algorithm algorithm, const std::function<void(nlopt_opt)>& configure) {
    std::vector<double> point = best_.point;
    optimiser_.reset(nlopt_create(algorithm, static_cast<unsigned>(point.size())));
    nlopt_set_min_objective(optimiser_.get(), &Search::Call, this);
    configure(optimiser_.get());
    double value = 0;
    // Its verdict is not needed: a search that got stuck has still left the best point it saw.
    if (!point.empty()) nlopt_optimize(optimiser_.get(), point.data(), &value);
    if (!std::isfinite(best_.value)) best_.value = objective_(best_.point);
    return best_;
  }

 private:
  struct Destroy {
    void operator()(nlopt_opt optimiser) const { nlopt_destroy(optimiser); }
  };

  void Differentiate(absl::Span<const double> point, double value, double* gradient) {
    std::vector<double> moved(point.begin(), point.end());
    for (size_t i = 0; i < moved.size(); ++i) {
      moved[i] = point[i] + kDifference;
      const double there = Ask(moved);
      moved[i] = point[i];
      const bool known = value < kForbidden && there < kForbidden;
      gradient[i] = known ? (there - value) / kDifference : 0;
    }
  }

  const Objective& objective_;
  int evaluations_;
  int asked_ = 0;
  Minimum best_;
  std::unique_ptr<nlopt_opt_s, Destroy> optimiser_;
};

}  // namespace

Minimum MinimiseSubplex(const Objective& objective, absl::Span<const double> start, absl::Span<const double> step,
                        absl::Span<const double> lower, absl::Span<const double> upper, int evaluations) {
  // By each parameter's own step, not by its size: a level of 580 that moves by 1 must be found as well as any.
  std::vector<double> tolerance(step.begin(), step.end());
  for (double& one : tolerance) one *= 1e-4;
  Search search(objective, start, evaluations);
  // A simplex that ran into a bound is flat and stays there: begin anew where it ended, until that is no gain.
  constexpr int kRounds = 4;
  Minimum best;
  for (int round = 0; round < kRounds; ++round) {
    const double before = round == 0 ? kForbidden : best.value;
    best = search.Run(NLOPT_LN_SBPLX, [&](nlopt_opt optimiser) {
      nlopt_set_lower_bounds(optimiser, lower.data());
      nlopt_set_upper_bounds(optimiser, upper.data());
      nlopt_set_initial_step(optimiser, step.data());
      nlopt_set_xtol_abs(optimiser, tolerance.data());
      nlopt_set_ftol_abs(optimiser, kNoGain);
    });
    if (!(best.value < before - kWorthAnother)) break;
  }
  return best;
}

Minimum MinimiseSmooth(const Objective& objective, absl::Span<const double> start, int evaluations) {
  Search search(objective, start, evaluations);
  return search.Run(NLOPT_LD_LBFGS, [&](nlopt_opt optimiser) {
    nlopt_set_ftol_abs(optimiser, kNoGain);
    nlopt_set_xtol_rel(optimiser, 1e-6);
  });
}

}  // namespace truce
