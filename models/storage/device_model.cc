#include "models/storage/device_model.h"

#include <utility>

namespace truce {
namespace {

// A standard deviation of the logarithm: 80 % of the time within a factor of 1.9.
constexpr double kMostSpread = 0.5;
// Intervals before what is seen of a disk says anything of it: five minutes at one in five seconds.
constexpr uint64_t kLeastObserved = 60;

}  // namespace

DeviceModel::DeviceModel(DeviceIdentity identity, const DeviceFit& fit, std::array<double, 2> outside_seconds,
                         absl::Time measured_at)
    : identity_(std::move(identity)),
      refiner_(DeviceRefiner::State{.belief = fit.belief}),
      outside_seconds_(outside_seconds),
      mean_deviation_(fit.mean_deviation),
      p99_deviation_(fit.p99_deviation),
      measured_at_(measured_at) {}

bool DeviceModel::Observe(const DeviceObservation& seen, absl::Duration interval) {
  const bool learned = refiner_.Observe(seen, interval, outside_seconds_);
  if (refiner_.has_changed()) measured_at_.reset();
  return learned;
}

std::optional<DeviceHeadroom> DeviceModel::Headroom(const DeviceLoad& load) const {
  if (!load.IsSound() || (!measured_at_.has_value() && observed() < kLeastObserved)) return std::nullopt;
  std::optional<DeviceHeadroom> headroom = HeadroomOf(belief(), load);
  // A number that is not one is not within anything.
  if (headroom.has_value() && !(headroom->spread_unloaded <= kMostSpread)) headroom.reset();
  return headroom;
}

v1::DeviceKnowledge DeviceModel::KnowledgeAt(const std::optional<DeviceHeadroom>& headroom) const {
  if (measured_at_.has_value()) return v1::DEVICE_KNOWLEDGE_MEASURED;
  return headroom.has_value() ? v1::DEVICE_KNOWLEDGE_OBSERVED : v1::DEVICE_KNOWLEDGE_UNKNOWN;
}

}  // namespace truce
