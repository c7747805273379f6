#include "lab/forecast/baselines.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "lab/forecast/tail.h"

namespace truce::lab {
namespace {

// Methods that know the newest values and nothing else.
class FromTail : public PointMethod {
 public:
  explicit FromTail(size_t count) : tail_(count) {}
  void Fit(absl::Span<const double> history) override {
    tail_.Clear();
    for (const double value : history) tail_.Push(value);
  }
  void Observe(double value) override { tail_.Push(value); }

 protected:
  // The largest of the `count` values from `from` back; the last known when none of them is.
  double Largest(size_t from, size_t count) const {
    double largest = -INFINITY;
    for (size_t back = from; back < std::min(from + count, tail_.size()); ++back) {
      if (tail_.Back(back) > largest) largest = tail_.Back(back);
    }
    return largest == -INFINITY ? tail_.last_known() : largest;
  }

  Tail tail_;
};

class SeasonalNaive : public FromTail {
 public:
  explicit SeasonalNaive(size_t period) : FromTail(period), period_(std::max<size_t>(1, period)) {}
  void Predict(absl::Span<double> steps) const override {
    for (size_t step = 0; step < steps.size(); ++step) {
      const size_t back = period_ - 1 - step % period_;
      const double value = back < tail_.size() ? tail_.Back(back) : NAN;
      steps[step] = std::isnan(value) ? tail_.last_known() : value;
    }
  }

 private:
  const size_t period_;
};

class MeanOfLast : public FromTail {
 public:
  using FromTail::FromTail;
  void Predict(absl::Span<double> steps) const override {
    double sum = 0;
    size_t known = 0;
    for (size_t back = 0; back < tail_.size(); ++back) {
      if (std::isnan(tail_.Back(back))) continue;
      sum += tail_.Back(back);
      ++known;
    }
    std::fill(steps.begin(), steps.end(), known > 0 ? sum / static_cast<double>(known) : tail_.last_known());
  }
};

class MaxOfLast : public FromTail {
 public:
  explicit MaxOfLast(size_t count) : FromTail(count), count_(count) {}
  void Predict(absl::Span<double> steps) const override { std::fill(steps.begin(), steps.end(), Largest(0, count_)); }

 private:
  const size_t count_;
};

class MaxOfHourAndYesterday : public FromTail {
 public:
  MaxOfHourAndYesterday(size_t hour, size_t day) : FromTail(day), hour_(hour), day_(day) {}
  void Predict(absl::Span<double> steps) const override {
    const double now = Largest(0, hour_);
    const bool yesterday = tail_.size() == day_ && day_ > hour_;
    std::fill(steps.begin(), steps.end(), yesterday ? std::max(now, Largest(day_ - hour_, hour_)) : now);
  }

 private:
  const size_t hour_;
  const size_t day_;
};

}  // namespace

std::unique_ptr<PointMethod> NewNaive() {
  return std::make_unique<SeasonalNaive>(1);
}

std::unique_ptr<PointMethod> NewSeasonalNaive(size_t period) {
  return std::make_unique<SeasonalNaive>(period);
}

std::unique_ptr<PointMethod> NewMeanOfLast(size_t count) {
  return std::make_unique<MeanOfLast>(count);
}

std::unique_ptr<PointMethod> NewMaxOfLast(size_t count) {
  return std::make_unique<MaxOfLast>(count);
}

std::unique_ptr<PointMethod> NewMaxOfHourAndYesterday(size_t hour, size_t day) {
  return std::make_unique<MaxOfHourAndYesterday>(hour, day);
}

}  // namespace truce::lab
