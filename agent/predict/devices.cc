#include "agent/predict/devices.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <system_error>
#include <utility>

#include "agent/predict/model_record.h"
#include "agent/sense/disk_interval.h"
#include "src/base/text.h"
#include "src/host/inventory.h"

namespace truce::agent {
namespace {

// One time out of ten a normal number is more than so many deviations above its mean.
constexpr double kTenth = 1.2816;
// What truce-lab storage writes has a few thousand.
constexpr size_t kMostStorageModelBytes = size_t{1} << 20;

void ToWire(double factor, double spread, v1::LoadFactor* wire) {
  wire->set_factor(factor);
  wire->set_low_factor(factor * std::exp(-kTenth * spread));
  wire->set_high_factor(factor * std::exp(kTenth * spread));
}

void ToWire(const DeviceObservation& seen, size_t direction, const std::optional<DeviceLatency>& expected,
            v1::DirectionLoad* wire) {
  const DirectionLoad& load = seen.load.of[direction];
  wire->set_operations_per_second(load.operations_per_second);
  wire->set_bytes_per_second(load.bytes_per_second);
  if (load.operations_per_second <= 0) return;
  wire->set_mean_seconds(seen.mean_seconds[direction]);
  if (!expected.has_value()) return;
  wire->set_expected_mean_seconds(expected->mean_seconds[direction]);
  wire->set_expected_p99_seconds(expected->p99_seconds[direction]);
}

}  // namespace

Devices::Devices(DevicesOptions options) : options_(std::move(options)) {
  ReadModels();
}

void Devices::ReadModels() {
  if (options_.models_directory.empty()) return;
  std::error_code error;
  std::vector<std::string> files;
  for (std::filesystem::directory_iterator entry(options_.models_directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".storage") files.push_back(entry->path().string());
  }
  if (error) {
    Tell("storage_model_refused",
         StrCat("reading storage.models ", options_.models_directory, ": ", error.message(),
                "; until the agent is started anew disks are learned from what is seen of them"));
    return;
  }
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    const absl::StatusOr<std::string> text = ReadModelFile(file, kMostStorageModelBytes);
    absl::StatusOr<DeviceModel> model = text.ok() ? ParseStorageModel(*text, file) : text.status();
    if (!model.ok()) {
      Tell("storage_model_refused", std::string(StdView(model.status().message())));
      continue;
    }
    std::string name = model->identity().name;
    const auto [there, is_new] = measured_.try_emplace(name, file, *std::move(model));
    if (!is_new) {
      Tell("storage_model_refused",
           StrCat(file, " is of disk ", name, " as ", there->second.first, " is, which counts; remove one of them"));
    }
  }
}

DeviceModel Devices::ModelFor(const DeviceIdentity& identity) {
  const auto found = measured_.find(identity.name);
  if (found == measured_.end()) return DeviceModel(identity);
  const auto& [file, model] = found->second;
  if (model.identity().size_bytes != identity.size_bytes) {
    Tell("storage_model_refused",
         StrCat(file, " is of a disk of ", model.identity().size_bytes, " bytes, and ", identity.name, " has ",
                identity.size_bytes, ": another disk; measure it with truce-lab storage"));
    return DeviceModel(identity);
  }
  Tell("storage_model_taken_up", StrCat("disk ", identity.name, " is known from ", file));
  return model;
}

Devices::Device* Devices::Find(const host::DiskStats& stats, absl::Duration now) {
  const auto found = devices_.find(stats.name);
  if (found != devices_.end() && found->second.previous.device == stats.device) return &found->second;
  if (found != devices_.end()) devices_.erase(found);
  const std::string key = StrCat(stats.name, " ", stats.device);
  if (no_disks_.contains(key) || devices_.size() >= kMostDevices) return nullptr;
  const std::optional<v1::Disk> disk = host::DescribeDisk(options_.sysfs, stats.name);
  if (!disk.has_value()) {
    no_disks_.insert(key);
    return nullptr;
  }
  Device device{ModelFor({disk->name(), disk->size_bytes()}), stats, now};
  if (device.model.KnowledgeAt(std::nullopt) == v1::DEVICE_KNOWLEDGE_MEASURED) {
    device.knowledge = v1::DEVICE_KNOWLEDGE_MEASURED;
  }
  devices_.emplace(stats.name, std::move(device));
  // There is no interval yet.
  return nullptr;
}

void Devices::Tick(absl::Duration now) {
  headrooms_.clear();
  const auto all = host::ReadDiskStats(options_.procfs, buffer_);
  if (!all.ok()) {
    if (!unreadable_) Tell("disks_unreadable", std::string(StdView(all.status().message())));
    unreadable_ = true;
    return;
  }
  unreadable_ = false;
  std::set<std::string> there;
  std::set<std::string> keys;
  for (const host::DiskStats& stats : *all) {
    there.insert(stats.name);
    keys.insert(StrCat(stats.name, " ", stats.device));
    if (Device* device = Find(stats, now)) Look(*device, stats, now);
  }
  std::erase_if(devices_, [&there](const auto& entry) { return !there.contains(entry.first); });
  std::erase_if(no_disks_, [&keys](const std::string& key) { return !keys.contains(key); });
  std::sort(headrooms_.begin(), headrooms_.end(),
            [](const auto& one, const auto& other) { return one.name() < other.name(); });
}

void Devices::Look(Device& device, const host::DiskStats& stats, absl::Duration now) {
  const absl::Duration elapsed = now - device.looked_at;
  const std::optional<DeviceObservation> seen = ObserveBetween(device.previous, stats, elapsed);
  device.previous = stats;
  device.looked_at = now;
  if (!seen.has_value()) return;
  device.model.Observe(*seen, elapsed);
  const std::optional<DeviceHeadroom> headroom = device.model.Headroom(seen->load);
  const v1::DeviceKnowledge before = device.knowledge;
  // An idle interval does not make unknown what was known.
  if (seen->load.operations_per_second() > 0) device.knowledge = device.model.KnowledgeAt(headroom);
  if (before == v1::DEVICE_KNOWLEDGE_MEASURED && device.knowledge != before) {
    Tell("disk_changed",
         StrCat("disk ", stats.name,
                " has not behaved for minutes as it was measured, and is learned anew from what is seen; "
                "measure it again with truce-lab storage"));
  }

  v1::DeviceHeadroom& wire = headrooms_.emplace_back();
  wire.set_name(stats.name);
  wire.set_device(stats.device);
  wire.set_knowledge(device.knowledge);
  wire.set_in_flight(static_cast<uint32_t>(std::min<uint64_t>(stats.in_flight, UINT32_MAX)));
  wire.set_mean_in_flight_count(seen->in_flight_while_busy);
  std::optional<DeviceLatency> expected;
  if (device.knowledge != v1::DEVICE_KNOWLEDGE_UNKNOWN) {
    expected = device.model.Expect(seen->load);
    wire.set_utilisation_ratio(expected->utilisation_ratio);
  }
  ToWire(*seen, kDiskRead, expected, wire.mutable_read());
  ToWire(*seen, kDiskWrite, expected, wire.mutable_write());
  if (!headroom.has_value()) return;
  ToWire(headroom->until_doubled_unloaded, headroom->spread_unloaded, wire.mutable_until_doubled_unloaded());
  ToWire(headroom->until_doubled_now, headroom->spread_now, wire.mutable_until_doubled_now());
}

std::vector<DeviceNews> Devices::TakeNews() {
  return std::exchange(news_, {});
}

}  // namespace truce::agent
