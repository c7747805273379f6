#include "models/interference_correlation.h"

#include <algorithm>
#include <cmath>

namespace truce {

double InterferenceCorrelation(const std::vector<double>& victim_signal, double threshold,
                               const std::vector<double>& suspect_usage) {
  if (threshold <= 0) return 0;
  double total = 0;
  double correlation = 0;
  const size_t count = std::min(victim_signal.size(), suspect_usage.size());
  for (size_t i = 0; i < count; ++i) {
    const double usage = suspect_usage[i];
    const double signal = victim_signal[i];
    total += usage;
    correlation += usage * (signal > threshold ? 1 - threshold / signal : std::max(signal, 0.0) / threshold - 1);
  }
  return total > 0 ? correlation / total : 0;
}

double NormalTail(double mean, double stddev, double bound) {
  return 0.5 * std::erfc((bound - mean) / (stddev * std::sqrt(2.0)));
}

}  // namespace truce
