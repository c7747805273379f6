#include "agent/link/report.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <array>

namespace truce::agent {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::util::TimeUtil;

// The wire's field of each reading, found by name once. A test makes sure that every reading has one.
const std::array<const FieldDescriptor*, kReadingCount>& ReadingFields() {
  static const auto fields = [] {
    std::array<const FieldDescriptor*, kReadingCount> found{};
    for (size_t i = 0; i < kReadingCount; ++i) {
      found[i] = v1::Readings::descriptor()->FindFieldByName(std::string(ReadingName(static_cast<Reading>(i))));
    }
    return found;
  }();
  return fields;
}

void SetField(Reading reading, double value, v1::Readings* readings) {
  readings->GetReflection()->SetDouble(readings, ReadingFields()[static_cast<size_t>(reading)], value);
}

}  // namespace

void ToWire(const Sample& sample, v1::Readings* readings) {
  for (size_t i = 0; i < kReadingCount; ++i) {
    const auto reading = static_cast<Reading>(i);
    if (sample.has(reading)) SetField(reading, sample.value(reading), readings);
  }
}

void ToWire(const WorkloadIdentity& identity, v1::Mode mode, const std::vector<std::string>& migration_drivers,
            v1::Workload* workload) {
  workload->set_name(identity.name);
  workload->set_instance(identity.instance);
  workload->set_kind(identity.kind);
  workload->set_application(identity.application);
  workload->set_tenant(identity.tenant);
  workload->set_workload_class(identity.workload_class);
  workload->set_priority(identity.priority);
  *workload->mutable_first_seen() = TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(identity.first_seen));
  workload->set_mode(mode);
  for (v1::Lever lever : identity.levers) workload->add_allowed_levers(lever);
  for (const std::string& driver : migration_drivers) workload->add_migration_drivers(driver);
}

void Summarise(const Profile& profile, size_t samples, v1::FingerprintSummary* summary) {
  const size_t count = std::min(profile.window.size(), samples);
  if (count == 0) return;
  summary->set_sample_count(static_cast<uint32_t>(count));
  const absl::Duration span = profile.window.back(0).taken_at - profile.window.back(count - 1).taken_at +
                              profile.window.back(count - 1).interval;
  *summary->mutable_window() = TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(span));
  std::vector<float> values;
  values.reserve(count);
  for (size_t i = 0; i < kReadingCount; ++i) {
    const auto reading = static_cast<Reading>(i);
    values.clear();
    double sum = 0;
    for (size_t age = 0; age < count; ++age) {
      const Sample& sample = profile.window.back(age);
      if (!sample.has(reading)) continue;
      values.push_back(static_cast<float>(sample.value(reading)));
      sum += sample.value(reading);
    }
    if (values.empty()) continue;
    const auto rank = static_cast<size_t>(0.95 * static_cast<double>(values.size() - 1) + 0.5);
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(rank), values.end());
    SetField(reading, sum / static_cast<double>(values.size()), summary->mutable_mean());
    SetField(reading, values[rank], summary->mutable_p95());
  }
  const struct {
    Reading reading;
    const Baseline& baseline;
  } kBaselines[] = {
      {Reading::kCpuUsageCores, profile.usage},
      {Reading::kCyclesPerInstruction, profile.signal(Signal::kCyclesPerInstruction)},
  };
  for (const auto& [reading, baseline] : kBaselines) {
    if (baseline.count() == 0) continue;
    SetField(reading, baseline.mean(), summary->mutable_baseline_mean());
    SetField(reading, baseline.stddev(), summary->mutable_baseline_stddev());
  }
}

}  // namespace truce::agent
