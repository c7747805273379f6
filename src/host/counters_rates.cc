#include "src/host/counters_rates.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

namespace truce::host {
namespace {

// A rate that has grown by this much may come from a new storm on one CPU.
constexpr double kGrowthWorthALook = 1.3;
constexpr int kTimeSlicesField = 9;

}  // namespace

std::optional<uint64_t> ParseSwitchCount(std::string_view proc_stat) {
  return FlatKeyed(proc_stat, "ctxt");
}

std::vector<uint64_t> ParseTimeSlices(std::string_view schedstat) {
  std::vector<uint64_t> slices;
  ForEachLine(schedstat, [&](std::string_view line) {
    if (!line.starts_with("cpu")) return;
    NextWord(&line);
    std::string_view word;
    for (int i = 0; i < kTimeSlicesField; ++i) word = NextWord(&line);
    const std::optional<int64_t> value = FirstNumber(word);
    if (value.has_value()) slices.push_back(static_cast<uint64_t>(*value));
  });
  return slices;
}

std::optional<SwitchRates> SwitchMeter::Measure(absl::Duration now) {
  const absl::StatusOr<std::string_view> text = ReadWholeAt(AT_FDCWD, (procfs_ + "/stat").c_str(), buffer_);
  const std::optional<uint64_t> switches = text.ok() ? ParseSwitchCount(*text) : std::nullopt;
  const std::optional<uint64_t> before = std::exchange(last_switches_, switches);
  const double seconds = absl::ToDoubleSeconds(now - std::exchange(last_time_, now));
  if (!switches.has_value() || !before.has_value() || *switches < *before || seconds <= 0) {
    MeasureShare(0);
    return std::nullopt;
  }
  SwitchRates rates;
  rates.total = static_cast<double>(*switches - *before) / seconds;
  if (++calls_since_detail_ >= kDetailEvery || rates.total > kGrowthWorthALook * rate_at_detail_) {
    MeasureShare(rates.total);
  }
  rates.busiest_cpu = rates.total * busiest_share_;
  return rates;
}

void SwitchMeter::MeasureShare(double total_rate) {
  calls_since_detail_ = 0;
  rate_at_detail_ = total_rate;
  busiest_share_ = 1;
  const absl::StatusOr<std::string_view> text = ReadWholeAt(AT_FDCWD, (procfs_ + "/schedstat").c_str(), buffer_);
  std::vector<uint64_t> runs = text.ok() ? ParseTimeSlices(*text) : std::vector<uint64_t>();
  const std::vector<uint64_t> before = std::exchange(last_runs_, std::move(runs));
  // After a CPU came or went the lines no longer match up.
  if (before.empty() || before.size() != last_runs_.size()) return;
  uint64_t sum = 0;
  uint64_t largest = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    const uint64_t delta = last_runs_[i] - std::min(before[i], last_runs_[i]);
    sum += delta;
    largest = std::max(largest, delta);
  }
  if (sum > 0) busiest_share_ = static_cast<double>(largest) / static_cast<double>(sum);
}

}  // namespace truce::host
