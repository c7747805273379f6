#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "lab/forecast/baselines.h"
#include "lab/forecast/measures.h"
#include "lab/forecast/tail.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

// Rows that a coefficient needs, so that what is fitted is not the noise alone.
constexpr size_t kRowsPerCoefficient = 2;

// What values are told in: less a centre, over a scale.
struct Units {
  // NaN: each row's newest value is its centre.
  double centre = 0;
  // 0: the series never changed.
  double scale = 0;

  double CentreOf(double newest) const { return std::isnan(centre) ? newest : centre; }
};

// Less the mean, over the standard deviation.
Units SpreadOf(absl::Span<const double> values) {
  double sum = 0;
  double count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  if (count == 0) return {};
  const double mean = sum / count;
  double squares = 0;
  for (const double value : values) {
    if (!std::isnan(value)) squares += (value - mean) * (value - mean);
  }
  return {mean, std::sqrt(squares / count)};
}

// Less the newest, over what the series usually changes by.
Units ChangesOf(absl::Span<const double> values) {
  const double change = NaiveError(values);
  return {std::numeric_limits<double>::quiet_NaN(), change > 0 ? change : 0};
}

// Sums of a least squares fit of a value on the `order` before it and a constant.
class Equations {
 public:
  explicit Equations(size_t order)
      : order_(order),
        products_(Eigen::MatrixXd::Zero(Size(), Size())),
        targets_(Eigen::VectorXd::Zero(Size())),
        row_(Eigen::VectorXd::Ones(Size())) {}

  // All rows of a series. units.scale is above 0.
  void Add(absl::Span<const double> values, const Units& units) {
    size_t known = 0;
    for (size_t t = 0; t < values.size(); ++t) {
      if (std::isnan(values[t])) {
        known = 0;
        continue;
      }
      if (known++ < order_) continue;
      const double centre = units.CentreOf(values[t - 1]);
      for (size_t lag = 1; lag <= order_; ++lag) {
        row_[static_cast<Eigen::Index>(lag - 1)] = (values[t - lag] - centre) / units.scale;
      }
      products_.selfadjointView<Eigen::Lower>().rankUpdate(row_);
      targets_ += row_ * ((values[t] - centre) / units.scale);
      ++rows_;
    }
  }

  bool Enough() const { return rows_ >= kRowsPerCoefficient * (order_ + 1); }

  PooledAutoregression Solve() const {
    // A trace of ridge: lags that always move together, or are always 0, have no coefficients of their own otherwise.
    Eigen::MatrixXd products = products_.selfadjointView<Eigen::Lower>();
    products.diagonal().array() += 1e-9 * static_cast<double>(rows_);
    const Eigen::VectorXd solution = products.ldlt().solve(targets_);
    return {{solution.data(), solution.data() + order_}, solution[static_cast<Eigen::Index>(order_)]};
  }

 private:
  Eigen::Index Size() const { return static_cast<Eigen::Index>(order_ + 1); }

  const size_t order_;
  Eigen::MatrixXd products_;
  Eigen::VectorXd targets_;
  // The lags, newest first, and 1.
  Eigen::VectorXd row_;
  size_t rows_ = 0;
};

// Goes on from the newest values by given coefficients.
class Recursion : public PointMethod {
 public:
  explicit Recursion(size_t order) : tail_(order) {}

  void Observe(double value) override {
    if (std::isnan(value)) Predict(absl::MakeSpan(&value, 1));
    tail_.Push(value);
  }

  void Predict(absl::Span<double> steps) const override {
    if (units_.scale == 0) {
      std::fill(steps.begin(), steps.end(), tail_.last_known());
      return;
    }
    const size_t order = model_.coefficients.size();
    for (size_t step = 0; step < steps.size(); ++step) {
      const auto before = [&](size_t lag) { return lag <= step ? steps[step - lag] : Back(lag - step - 1); };
      const double centre = units_.CentreOf(before(1));
      double sum = units_.scale * model_.constant;
      for (size_t lag = 1; lag <= order; ++lag) sum += model_.coefficients[lag - 1] * (before(lag) - centre);
      steps[step] = centre + sum;
    }
  }

 protected:
  // Takes in what the newest rows need of the history, which has a value that is known.
  void Begin(absl::Span<const double> history) {
    tail_.Clear();
    size_t begin = history.size() - std::min(history.size(), 2 * model_.coefficients.size() + 1);
    // From a known value on, so that a missing one has something to be predicted from.
    while (begin > 0 && std::isnan(history[begin])) --begin;
    while (std::isnan(history[begin])) ++begin;
    for (const double value : history.subspan(begin)) Observe(value);
  }

  Units units_;
  PooledAutoregression model_;

 private:
  // What came so long before the newest; before the first that is the first.
  double Back(size_t back) const { return tail_.Back(std::min(back, tail_.size() - 1)); }

  Tail tail_;
};

class Autoregression : public Recursion {
 public:
  explicit Autoregression(size_t order) : Recursion(order), most_order_(order) {}

  void Fit(absl::Span<const double> history) override {
    units_ = SpreadOf(history);
    model_ = {};
    if (units_.scale > 0) {
      for (size_t order = most_order_; order > 0; --order) {
        Equations equations(order);
        equations.Add(history, units_);
        if (!equations.Enough()) continue;
        model_ = equations.Solve();
        break;
      }
    }
    Begin(history);
  }

 private:
  const size_t most_order_;
};

class Pooled : public Recursion {
 public:
  explicit Pooled(PooledAutoregression fitted) : Recursion(fitted.coefficients.size()) { model_ = std::move(fitted); }

  void Fit(absl::Span<const double> history) override {
    units_ = ChangesOf(history);
    Begin(history);
  }
};

}  // namespace

std::unique_ptr<PointMethod> NewAutoregression(size_t order) {
  return std::make_unique<Autoregression>(order);
}

absl::StatusOr<PooledAutoregression> FitPooledAutoregression(size_t order, absl::Span<const Series> series) {
  Equations equations(order);
  for (const Series& one : series) {
    const Units units = ChangesOf(one.values);
    if (units.scale > 0) equations.Add(one.values, units);
  }
  if (!equations.Enough()) {
    return absl::InvalidArgumentError(
        StrCat("the ", series.size(), " series to learn from have too few values for an autoregression of order ",
               order, ", or never change"));
  }
  return equations.Solve();
}

std::unique_ptr<PointMethod> NewPooledAutoregression(PooledAutoregression fitted) {
  return std::make_unique<Pooled>(std::move(fitted));
}

}  // namespace truce::lab
