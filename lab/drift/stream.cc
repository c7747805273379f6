#include "lab/drift/stream.h"

#include <algorithm>
#include <array>

namespace truce::lab {
namespace {

// What grows with the load. The rest is per unit of work, a share of time, or a size.
constexpr std::array kRates = {Reading::kCpuUsageCores,
                               Reading::kContextSwitchesPerSecond,
                               Reading::kPageFaultsPerSecond,
                               Reading::kMajorFaultsPerSecond,
                               Reading::kDiskReadBytesPerSecond,
                               Reading::kDiskWriteBytesPerSecond,
                               Reading::kDiskReadOperationsPerSecond,
                               Reading::kDiskWriteOperationsPerSecond,
                               Reading::kNetworkReceiveBytesPerSecond,
                               Reading::kNetworkTransmitBytesPerSecond,
                               Reading::kInstructionsPerSecond,
                               Reading::kCyclesPerSecond,
                               Reading::kDramFillBytesPerSecond};

}  // namespace

std::vector<DriftReport> ReportsOf(const DatasetLife& life) {
  return ScaledReportsOf(life, 1);
}

std::vector<DriftReport> ScaledReportsOf(const DatasetLife& life, double factor) {
  std::vector<DriftReport> reports;
  for (const DatasetSample& one : life.samples) {
    // Whoever stood still at one load would at another.
    if (MakeBehaviour(one.readings).empty()) continue;
    Sample sample = one.readings;
    for (const Reading rate : kRates) {
      if (sample.has(rate)) sample.set(rate, sample.value(rate) * factor);
    }
    DriftReport report{MakeBehaviour(sample), MakeDemands(sample)};
    if (!report.behaviour.empty()) reports.push_back(report);
  }
  return reports;
}

const DriftReport& ReportStream::Next() {
  if (left_ == 0) {
    const size_t starts = reports_.size() > kBlock ? reports_.size() - kBlock + 1 : 1;
    at_ = std::uniform_int_distribution<size_t>(0, starts - 1)(random_);
    left_ = std::min(kBlock, reports_.size());
  }
  --left_;
  return reports_[at_++];
}

}  // namespace truce::lab
