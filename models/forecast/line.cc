#include "models/forecast/line.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace truce {

Line FitLine(absl::Span<const double> values) {
  double count = 0, x_mean = 0, y_mean = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) continue;
    count += 1;
    x_mean += (static_cast<double>(i) - x_mean) / count;
    y_mean += (values[i] - y_mean) / count;
  }
  double squares = 0, products = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) continue;
    const double x = static_cast<double>(i) - x_mean;
    squares += x * x;
    products += x * (values[i] - y_mean);
  }
  Line line;
  line.slope = squares > 0 ? products / squares : 0;
  line.intercept = y_mean - line.slope * x_mean;
  return line;
}

std::vector<double> FillGaps(absl::Span<const double> values) {
  std::vector<double> filled(values.begin(), values.end());
  size_t last = values.size();  // the newest value before i
  for (size_t i = 0; i < filled.size(); ++i) {
    if (std::isnan(filled[i])) continue;
    const size_t begin = last == values.size() ? 0 : last + 1;
    for (size_t gap = begin; gap < i; ++gap) {
      if (last == values.size()) {
        filled[gap] = filled[i];
      } else {
        const double part = static_cast<double>(gap - last) / static_cast<double>(i - last);
        filled[gap] = filled[last] + part * (filled[i] - filled[last]);
      }
    }
    last = i;
  }
  if (last < filled.size()) std::fill(filled.begin() + static_cast<long>(last) + 1, filled.end(), filled[last]);
  return filled;
}

std::vector<double> Differences(absl::Span<const double> values, size_t lag) {
  std::vector<double> differences;
  for (size_t i = lag; i < values.size(); ++i) differences.push_back(values[i] - values[i - lag]);
  return differences;
}

size_t CountKnown(absl::Span<const double> values) {
  return static_cast<size_t>(
      std::count_if(values.begin(), values.end(), [](double value) { return !std::isnan(value); }));
}

double MeanOf(absl::Span<const double> values) {
  double count = 0, mean = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    count += 1;
    mean += (value - mean) / count;
  }
  return count > 0 ? mean : std::numeric_limits<double>::quiet_NaN();
}

double VarianceOf(absl::Span<const double> values) {
  const double mean = MeanOf(values);
  double count = 0, variance = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    count += 1;
    variance += ((value - mean) * (value - mean) - variance) / count;
  }
  return count > 0 ? variance : std::numeric_limits<double>::quiet_NaN();
}

bool IsConstant(absl::Span<const double> values) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  constexpr double kRounding = 1e-12;
  return !(high - low > kRounding * std::max(std::fabs(low), std::fabs(high)));
}

}  // namespace truce
