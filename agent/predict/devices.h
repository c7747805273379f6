// How much more each whole disk of the host would take: its counters are read, its model is refined by them, and the
// headroom is said. Tick thread only.
//
//   /proc/diskstats ─► interval ─► model (measured or not) ─► v1::DeviceHeadroom
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "models/storage/device_model.h"
#include "src/host/disk_stats.h"
#include "truce/v1/storage.pb.h"

namespace truce::agent {

struct DevicesOptions {
  std::string procfs = "/proc";
  std::string sysfs = "/sys";
  // Where models that truce-lab storage measured are, as *.storage; empty: nowhere, and all is learned from what is
  // seen.
  std::string models_directory;
};

// Something to tell about, as an event: "storage_model_refused", "storage_model_taken_up", "disk_changed",
// "disks_unreadable".
struct DeviceNews {
  const char* kind = "";
  std::string message;
};

class Devices {
 public:
  // Most that are watched, by the order of the kernel's list.
  static constexpr size_t kMostDevices = 256;

  // Reads the models.
  explicit Devices(DevicesOptions options);

  // One interval has passed: `now` is monotonic. Called each scoring interval.
  void Tick(absl::Duration now);
  // Of the last interval, by name. A disk is there from the second look on.
  const std::vector<v1::DeviceHeadroom>& headrooms() const { return headrooms_; }
  // What there is to tell since the last call.
  std::vector<DeviceNews> TakeNews();

 private:
  struct Device {
    DeviceModel model;
    host::DiskStats previous;
    absl::Duration looked_at;
    v1::DeviceKnowledge knowledge = v1::DEVICE_KNOWLEDGE_UNKNOWN;
  };
  void ReadModels();
  // The disk as it is watched, taken up if it is new; null for what is no whole disk.
  Device* Find(const host::DiskStats& stats, absl::Duration now);
  DeviceModel ModelFor(const DeviceIdentity& identity);
  void Look(Device& device, const host::DiskStats& stats, absl::Duration now);
  void Tell(const char* kind, std::string message) { news_.push_back({kind, std::move(message)}); }

  const DevicesOptions options_;
  // By the name of the disk; with the file's name, for people.
  std::map<std::string, std::pair<std::string, DeviceModel>> measured_;
  std::map<std::string, Device> devices_;
  // "name device" of partitions and the like, so that each is looked up once.
  std::set<std::string> no_disks_;
  std::vector<v1::DeviceHeadroom> headrooms_;
  std::vector<DeviceNews> news_;
  bool unreadable_ = false;
  host::ReadBuffer buffer_;
};

}  // namespace truce::agent
