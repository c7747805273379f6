// DeviceModel as a message and as text.
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/time_util.h>

#include <cmath>

#include "models/storage/device_model.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce {
namespace {

using google::protobuf::util::TimeUtil;

constexpr char kHeading[] =
    "# What a disk's latency does under load, as truce-lab storage measured it. The fields are those of StorageModel "
    "in\n"
    "# proto/truce/v1/storage.proto; the agent reads such files from storage.models.\n";
constexpr size_t kTriangle = size_t{kDeviceParameters} * (kDeviceParameters + 1) / 2;

void ToCurve(const DeviceVector& parameters, size_t direction, double outside_seconds, v1::DirectionCurve* curve) {
  const auto get = [&](DeviceParameter parameter) { return parameters[ParameterOf(direction, parameter)]; };
  curve->set_service_seconds(get(kService));
  curve->set_service_seconds_per_byte(get(kServicePerByte));
  curve->set_occupied_seconds(get(kService) * get(kOccupied));
  curve->set_occupied_seconds_per_byte(get(kServicePerByte) * get(kOccupiedPerByte));
  curve->set_tail_factor(get(kTail));
  curve->set_wait_factor(get(kWait));
  curve->set_crowding_factor(get(kCrowding));
  curve->set_outside_seconds(outside_seconds);
}

// Logarithms of what is not positive are no numbers, which DeviceBelief::IsSound refuses.
void FromCurve(const v1::DirectionCurve& curve, size_t direction, DeviceVector* logarithms) {
  const auto set = [&](DeviceParameter parameter, double value) {
    (*logarithms)[ParameterOf(direction, parameter)] = std::log(value);
  };
  set(kService, curve.service_seconds());
  set(kServicePerByte, curve.service_seconds_per_byte());
  set(kOccupied, curve.occupied_seconds() / curve.service_seconds());
  set(kOccupiedPerByte, curve.occupied_seconds_per_byte() / curve.service_seconds_per_byte());
  set(kTail, curve.tail_factor());
  set(kWait, curve.wait_factor());
  set(kCrowding, curve.crowding_factor());
}

absl::Status Refuse(std::string_view device, std::string_view what) {
  return absl::InvalidArgumentError(
      StrCat("the model of disk '", device, "' is damaged: ", what, "; measure the disk anew with truce-lab storage"));
}

// The first complaint, with its line.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int, const std::string& message) override {
    if (text_.empty()) text_ = StrCat(line + 1, ": ", message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

v1::StorageModel DeviceModel::ToWire() const {
  const DeviceRefiner::State& state = refiner_.state();
  const DeviceVector parameters = state.belief.mean.array().exp().matrix();
  v1::StorageModel wire;
  wire.set_device(identity_.name);
  wire.set_size_bytes(identity_.size_bytes);
  if (measured_at_.has_value()) {
    *wire.mutable_measured_at() = TimeUtil::SecondsToTimestamp(absl::ToUnixSeconds(*measured_at_));
  }
  ToCurve(parameters, kDiskRead, outside_seconds_[kDiskRead], wire.mutable_read());
  ToCurve(parameters, kDiskWrite, outside_seconds_[kDiskWrite], wire.mutable_write());
  wire.set_servers(1 + parameters[kServers]);
  wire.set_wait_tail_factor(parameters[kWaitTail]);
  if (mean_deviation_.has_value()) wire.set_mean_deviation(*mean_deviation_);
  if (p99_deviation_.has_value()) wire.set_p99_deviation(*p99_deviation_);
  wire.set_observed_count(state.observed);
  for (const double surprise : state.surprise) wire.add_surprises(surprise);
  for (int row = 0; row < kDeviceParameters; ++row) {
    for (int column = 0; column <= row; ++column) wire.add_covariances(state.belief.covariance(row, column));
  }
  return wire;
}

absl::StatusOr<DeviceModel> DeviceModel::FromWire(const v1::StorageModel& wire) {
  if (wire.device().empty()) return Refuse("", "it does not say of which disk it is");
  if (static_cast<size_t>(wire.covariances_size()) != kTriangle)
    return Refuse(wire.device(), "covariances are missing");
  DeviceRefiner::State state;
  FromCurve(wire.read(), kDiskRead, &state.belief.mean);
  FromCurve(wire.write(), kDiskWrite, &state.belief.mean);
  state.belief.mean[kServers] = std::log(wire.servers() - 1);
  state.belief.mean[kWaitTail] = std::log(wire.wait_tail_factor());
  int at = 0;
  for (int row = 0; row < kDeviceParameters; ++row) {
    for (int column = 0; column <= row; ++column, ++at) {
      state.belief.covariance(row, column) = state.belief.covariance(column, row) = wire.covariances(at);
    }
  }
  if (!state.belief.IsSound()) return Refuse(wire.device(), "it has numbers that no disk has");
  state.observed = wire.observed_count();
  for (int i = 0; i < std::min(wire.surprises_size(), 2); ++i) {
    if (!(std::abs(wire.surprises(i)) <= 1)) return Refuse(wire.device(), "a share of surprises is beyond 1");
    state.surprise[static_cast<size_t>(i)] = wire.surprises(i);
  }
  DeviceModel model({wire.device(), wire.size_bytes()}, std::move(state));
  model.outside_seconds_ = {wire.read().outside_seconds(), wire.write().outside_seconds()};
  for (const double outside : model.outside_seconds_) {
    if (!(outside >= 0 && outside < 1)) return Refuse(wire.device(), "outside_seconds is not between 0 and 1");
  }
  if (wire.has_mean_deviation()) model.mean_deviation_ = wire.mean_deviation();
  if (wire.has_p99_deviation()) model.p99_deviation_ = wire.p99_deviation();
  if (wire.has_measured_at()) model.measured_at_ = absl::FromUnixSeconds(wire.measured_at().seconds());
  return model;
}

std::string FormatStorageModel(const v1::StorageModel& model) {
  google::protobuf::TextFormat::Printer printer;
  printer.SetUseShortRepeatedPrimitives(true);
  std::string text;
  printer.PrintToString(model, &text);
  return kHeading + text;
}

absl::StatusOr<DeviceModel> ParseStorageModel(std::string_view text, std::string_view name) {
  google::protobuf::TextFormat::Parser parser;
  FirstError error;
  parser.RecordErrorsTo(&error);
  v1::StorageModel wire;
  google::protobuf::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
  if (!parser.Parse(&stream, &wire)) {
    return absl::InvalidArgumentError(StrCat(name, ":", error.text(), "; truce-lab storage --output makes such files"));
  }
  auto model = DeviceModel::FromWire(wire);
  if (!model.ok()) return WithContext(model.status(), name);
  return model;
}

}  // namespace truce
