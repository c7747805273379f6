// What is known of one disk: the model that is kept in files, refined by the agent and told to the controller. One
// owner, one thread.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "models/storage/fit.h"
#include "models/storage/headroom.h"
#include "models/storage/refine.h"
#include "truce/v1/storage.pb.h"

namespace truce {

// Which disk a model is of.
struct DeviceIdentity {
  // "nvme0n1".
  std::string name;
  uint64_t size_bytes = 0;
};

class DeviceModel {
 public:
  // Of a disk that nobody measured: told by what is seen of it alone.
  explicit DeviceModel(DeviceIdentity identity) : identity_(std::move(identity)), refiner_(DeviceRefiner::State()) {}
  // Of one that was measured. `outside_seconds` is what whoever asks waits beyond what the kernel counts, by direction.
  DeviceModel(DeviceIdentity identity, const DeviceFit& fit, std::array<double, 2> outside_seconds,
              absl::Time measured_at);

  const DeviceIdentity& identity() const { return identity_; }
  const DeviceBelief& belief() const { return refiner_.state().belief; }
  uint64_t observed() const { return refiner_.state().observed; }
  // Typical distance of the points from the curve when it was measured; nullopt of one that was not.
  std::optional<double> mean_deviation() const { return mean_deviation_; }
  std::optional<double> p99_deviation() const { return p99_deviation_; }

  // As DeviceRefiner. A disk that turns out to be another one than what was measured counts as not measured from then
  // on.
  bool Observe(const DeviceObservation& seen, absl::Duration interval);
  // What its latency is expected to be at `load`, which is sound.
  DeviceLatency Expect(const DeviceLoad& load) const { return belief().curve().At(load); }
  // nullopt where nothing is asked of it, and where too little is known to say it within about a factor of two.
  std::optional<DeviceHeadroom> Headroom(const DeviceLoad& load) const;
  v1::DeviceKnowledge KnowledgeAt(const std::optional<DeviceHeadroom>& headroom) const;

  v1::StorageModel ToWire() const;
  // InvalidArgument for what is no model: numbers that are not finite or that no disk has, a covariance that is none.
  static absl::StatusOr<DeviceModel> FromWire(const v1::StorageModel& wire);

 private:
  DeviceModel(DeviceIdentity identity, DeviceRefiner::State state)
      : identity_(std::move(identity)), refiner_(std::move(state)) {}

  DeviceIdentity identity_;
  DeviceRefiner refiner_;
  std::array<double, 2> outside_seconds_{};
  std::optional<double> mean_deviation_;
  std::optional<double> p99_deviation_;
  // nullopt when it was not, or is another disk by now.
  std::optional<absl::Time> measured_at_;
};

// A model as text that people can read: the fields of v1::StorageModel with its units, after a comment that says what
// it is.
std::string FormatStorageModel(const v1::StorageModel& model);
// InvalidArgument, with the line, for what is none. `name` is the file's, for people.
absl::StatusOr<DeviceModel> ParseStorageModel(std::string_view text, std::string_view name);

}  // namespace truce
