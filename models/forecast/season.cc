#include "models/forecast/season.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/forecast/line.h"

namespace truce {
namespace {

constexpr size_t kMostPeriods = 14;
constexpr double kWeakest = 0.2;
constexpr double kCertain = 2.33;       // 1 % of a normal distribution
constexpr double kVeryCertain = 4.5;    // after having looked at many periods
constexpr double kAboutAsStrong = 0.9;  // of the strongest
constexpr size_t kSearchValues = 4096;
constexpr size_t kThinnest = 4;
constexpr size_t kPeaks = 4;
constexpr size_t kFewPhases = 24;

absl::Span<const double> Newest(absl::Span<const double> values, size_t count) {
  return values.subspan(values.size() - std::min(values.size(), count));
}

// Values less the mean of the `window` around them; near the ends, of the first or last window. NaN stay.
std::vector<double> WithoutSlow(absl::Span<const double> values, size_t window) {
  std::vector<double> sums(values.size() + 1), counts(values.size() + 1);
  for (size_t i = 0; i < values.size(); ++i) {
    const bool known = !std::isnan(values[i]);
    sums[i + 1] = sums[i] + (known ? values[i] : 0);
    counts[i + 1] = counts[i] + (known ? 1 : 0);
  }
  window = std::min(window, values.size());
  std::vector<double> rest(values.begin(), values.end());
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t begin = std::min(i - std::min(i, window / 2), values.size() - window);
    const double count = counts[begin + window] - counts[begin];
    if (count > 0) rest[i] -= (sums[begin + window] - sums[begin]) / count;
  }
  return rest;
}

double MedianOfKnown(absl::Span<const double> values) {
  std::vector<double> known;
  for (const double value : values)
    if (!std::isnan(value)) known.push_back(value);
  if (known.empty()) return 0;
  const auto middle = known.begin() + static_cast<ptrdiff_t>(known.size() / 2);
  std::nth_element(known.begin(), middle, known.end());
  return *middle;
}

// Outliers are cut to six robust spreads, so that two of them at one phase are no season. Nothing is cut where most
// values are equal: there everything that happens is far out. The mean is 0 afterwards.
void CutOutliers(std::vector<double>& values) {
  const double median = MedianOfKnown(values);
  std::vector<double> sizes;
  for (const double value : values) sizes.push_back(std::fabs(value - median));
  const double limit = 6 * 1.4826 * MedianOfKnown(sizes);
  for (double& value : values)
    if (limit > 0 && !std::isnan(value)) value = std::clamp(value, median - limit, median + limit);
  const double mean = MeanOf(values);
  for (double& value : values) value -= mean;
}

double Autocorrelation(absl::Span<const double> values, double squares, size_t lag) {
  double products = 0;
  for (size_t i = lag; i < values.size(); ++i) products += values[i] * values[i - lag];
  return squares > 0 ? products / squares : 0;
}

// Sums and counts of each phase.
struct Phases {
  std::vector<double> sums, counts;
  Phases(absl::Span<const double> values, size_t period) : sums(period), counts(period) {
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::isnan(values[i])) continue;
      sums[i % period] += values[i];
      counts[i % period] += 1;
    }
  }
};

// How many standard deviations of a normal distribution are as rare as this value of the F distribution (Paulson, An
// approximate normalization of the analysis of variance distribution, Annals of Mathematical Statistics 13, 1942).
double NormalOfF(double f, double above, double below) {
  const double a = 2 / (9 * above), b = 2 / (9 * below);
  const double root = std::cbrt(f);
  return ((1 - b) * root - (1 - a)) / std::sqrt(b * root * root + a);
}

struct Evidence {
  double strength = 0;
  double deviation = 0;  // how far beyond chance, in standard deviations of a normal distribution
};

// The strength alone costs O(values).
Evidence Test(absl::Span<const double> values, size_t period, bool strength_only = false) {
  std::vector<double> rest = WithoutSlow(Newest(values, kMostPeriods * period), period);
  CutOutliers(rest);
  const Phases phases(rest, period);
  std::vector<double> unexplained(rest.size());
  double products = 0, squares = 0, unexplained_squares = 0, between = 0, within = 0, count = 0;
  for (size_t i = 0; i < rest.size(); ++i) {
    const double others = phases.counts[i % period] - 1;
    if (std::isnan(rest[i]) || others < 1) continue;
    const double foretold = (phases.sums[i % period] - rest[i]) / others;
    const double mean = phases.sums[i % period] / phases.counts[i % period];
    products += rest[i] * foretold;
    squares += rest[i] * rest[i];
    between += mean * mean;
    within += (rest[i] - mean) * (rest[i] - mean);
    unexplained[i] = rest[i] - foretold;
    unexplained_squares += unexplained[i] * unexplained[i];
    count += 1;
  }
  const double m = static_cast<double>(period);
  if (squares <= 0 || count <= m) return {};
  Evidence evidence;
  evidence.strength = std::clamp(products / squares, 0.0, 1.0);
  if (strength_only) return evidence;
  // Values that resemble their neighbours tell as much as fewer independent ones would (Bartlett 1946). What is left
  // keeps that resemblance whether there is a season or not.
  double alike = 1;
  for (size_t lag = 1; lag <= period / 2; ++lag) {
    const double correlation = Autocorrelation(unexplained, unexplained_squares, lag);
    alike += 2 * correlation * correlation;
  }
  // An exact repetition leaves nothing: more certain than any number.
  const double f = within > 0 ? between / m / (within / (count - m)) : std::numeric_limits<double>::max();
  evidence.deviation = NormalOfF(f, m / alike, (count - m) / alike);
  return evidence;
}

Season Strongest(absl::Span<const double> values, absl::Span<const size_t> periods, double certain) {
  std::vector<Season> seasons;
  double strongest = 0;
  for (const size_t period : periods) {
    if (period < 2 || values.size() < 2 * period) continue;
    const Evidence evidence = Test(values, period);
    if (evidence.strength < kWeakest || evidence.deviation < certain) continue;
    seasons.push_back({period, evidence.strength});
    strongest = std::max(strongest, evidence.strength);
  }
  Season best;
  for (const Season& season : seasons) {
    if (season.strength < kAboutAsStrong * strongest) continue;
    if (!best || season.period < best.period) best = season;
  }
  return best;
}

// Means of so many values each, of those that are there.
std::vector<double> Thinned(absl::Span<const double> values, size_t block) {
  std::vector<double> means;
  for (size_t i = values.size() % block; i < values.size(); i += block)
    means.push_back(MeanOf(values.subspan(i, block)));
  return means;
}

// The lags at which the autocorrelation is the highest within a quarter of the lag to either side, once the likeness of
// neighbours has worn off; the highest first.
std::vector<size_t> Peaks(absl::Span<const double> values) {
  std::vector<double> rest = WithoutSlow(values, values.size() / 2);
  CutOutliers(rest);
  double squares = 0;
  for (double& value : rest) {
    if (std::isnan(value)) value = 0;
    squares += value * value;
  }
  std::vector<double> correlations;
  for (size_t lag = 0; lag <= values.size() / 3 + 1; ++lag) correlations.push_back(Autocorrelation(rest, squares, lag));
  std::vector<size_t> peaks;
  size_t lag = 1;
  while (lag < correlations.size() && correlations[lag] > 0) ++lag;
  for (lag = std::max<size_t>(lag, 2); lag + 1 < correlations.size(); ++lag) {
    const auto at = correlations.begin() + static_cast<ptrdiff_t>(lag);
    const auto reach = static_cast<ptrdiff_t>(std::max<size_t>(1, lag / 4));
    const auto end = correlations.end() - at > reach ? at + reach + 1 : correlations.end();
    if (correlations[lag] > 0 && std::max_element(at - reach, end) == at) peaks.push_back(lag);
  }
  const auto higher = [&](size_t a, size_t b) { return correlations[a] > correlations[b]; };
  std::stable_sort(peaks.begin(), peaks.end(), higher);
  peaks.resize(std::min(peaks.size(), kPeaks));
  return peaks;
}

// The period near this one that explains most: the top of an autocorrelation is flat, and over many periods a small
// error adds up.
size_t Nearby(absl::Span<const double> values, size_t period) {
  const size_t reach = (period + 24) / 25;
  size_t best = period;
  double most = 0;
  for (size_t near = std::max<size_t>(2, period - std::min(period, reach)); near <= period + reach; ++near) {
    if (values.size() < 2 * near) continue;
    const double strength = Test(values, near, true).strength;
    if (strength > most) best = near;
    most = std::max(most, strength);
  }
  return best;
}

// Means of the neighbours around each phase, those nearby weighing more, round the season.
std::vector<double> SmoothAround(absl::Span<const double> profile, size_t reach) {
  std::vector<double> smooth(profile.size());
  for (size_t phase = 0; phase < profile.size(); ++phase) {
    double sum = 0, weights = 0;
    for (size_t step = 0; step <= 2 * reach; ++step) {
      const double far = std::fabs(static_cast<double>(step) - static_cast<double>(reach));
      const double weight = 1 - far / static_cast<double>(reach + 1);
      sum += weight * profile[(phase + profile.size() + step - reach) % profile.size()];
      weights += weight;
    }
    smooth[phase] = sum / weights;
  }
  return smooth;
}

}  // namespace

Season FindSeason(absl::Span<const double> values, absl::Span<const size_t> periods) {
  return Strongest(values, periods, kCertain);
}

Season FindSeason(absl::Span<const double> values) {
  const absl::Span<const double> newest = Newest(values, kSearchValues * kThinnest);
  if (CountKnown(newest) == 0) return {};
  std::vector<size_t> periods = Peaks(Newest(newest, kSearchValues));
  const size_t block = (newest.size() + kSearchValues - 1) / kSearchValues;
  if (block > 1)
    for (const size_t peak : Peaks(Thinned(newest, block))) periods.push_back(peak * block);
  for (size_t& period : periods) period = Nearby(newest, period);
  return Strongest(newest, periods, kVeryCertain);
}

SeasonProfile::SeasonProfile(absl::Span<const double> values, size_t period) {
  if (period < 2 || CountKnown(values) == 0) return;
  const absl::Span<const double> newest = Newest(values, kMostPeriods * period);
  const size_t shift = (values.size() - newest.size()) % period;
  const std::vector<double> rest = WithoutSlow(newest, period);
  const Phases phases(rest, period);
  std::vector<double> means(period);
  for (size_t i = 0; i < period; ++i) means[i] = phases.counts[i] > 0 ? phases.sums[i] / phases.counts[i] : 0;
  double noise = 0, count = 0;
  for (size_t i = 0; i < rest.size(); ++i) {
    if (std::isnan(rest[i])) continue;
    noise += (rest[i] - means[i % period]) * (rest[i] - means[i % period]);
    count += 1;
  }
  // The variance of a phase's mean, were there nothing but noise.
  const double periods = count / static_cast<double>(period);
  const double chance = periods > 1 ? noise / (count - static_cast<double>(period)) / periods : noise;
  std::vector<double> smooth(period);
  if (period > kFewPhases) smooth = SmoothAround(means, std::max<size_t>(1, period / 48));
  double single = 0;
  for (size_t i = 0; i < period; ++i)
    single += (means[i] - smooth[i]) * (means[i] - smooth[i]) / static_cast<double>(period);
  const double kept = single > chance ? 1 - chance / single : 0;
  profile_.resize(period);
  for (size_t i = 0; i < period; ++i) profile_[(i + shift) % period] = smooth[i] + kept * (means[i] - smooth[i]);
  const double mean = MeanOf(profile_);
  for (double& part : profile_) part -= mean;
}

}  // namespace truce
