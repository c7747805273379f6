#include "lab/fleet/outcome.h"

#include <algorithm>
#include <cmath>

#include "models/interference/example.h"

namespace truce::lab::fleet {
namespace {

// Slowdowns from here on share the last bin.
constexpr size_t kMostBins = 40'000;

}  // namespace

void Slowdowns::Add(double slowdown) {
  const size_t bin = std::min(kMostBins, static_cast<size_t>(std::max(0.0, slowdown) / kBin));
  if (bin >= bins_.size()) bins_.resize(bin + 1);
  ++bins_[bin];
  count_ += 1;
  sum_ += slowdown;
  noticed_ += slowdown >= kNoticedSlowdown ? 1 : 0;
}

double Slowdowns::Quantile(double part) const {
  double below = 0;
  for (size_t bin = 0; bin < bins_.size(); ++bin) {
    below += static_cast<double>(bins_[bin]);
    if (below >= part * count_) return (static_cast<double>(bin) + 0.5) * kBin;
  }
  return 0;
}

double Outcome::MeanOfAll() const {
  double sum = 0;
  double count = 0;
  for (const Slowdowns& one : by_class) {
    sum += one.Mean() * one.count();
    count += one.count();
  }
  return count > 0 ? sum / count : 0;
}

}  // namespace truce::lab::fleet
