// Who moves with the victim's pain: the correlation of CPI2 (Zhang et al., "CPI2: CPU performance isolation for shared
// compute clusters", EuroSys 2013, section 4.2).
#pragma once

#include <vector>

namespace truce {

// Correlation of a suspect's usage with a victim's signal over the same times, -1 to 1. With usage normalised to sum to
// 1 and c the signal, t its outlier threshold:
//   sum over times of  u * (1 - t / c)  where c > t,   and of  u * (c / t - 1)  where c < t.
// Near 1: the suspect runs when the victim suffers. Near -1: it runs when the victim is well. Both vectors have the
// same length; usage is not negative. 0 when the suspect did not run at all, or when threshold is not positive.
double InterferenceCorrelation(const std::vector<double>& victim_signal, double threshold,
                               const std::vector<double>& suspect_usage);

// P(X >= bound) of a normal variable with this mean and standard deviation (> 0).
double NormalTail(double mean, double stddev, double bound);

}  // namespace truce
