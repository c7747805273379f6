#include "src/host/counters_group.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/base/status.h"

namespace truce::host {

absl::StatusOr<GroupCounts> DecodeGroupRead(std::string_view bytes, absl::Span<const uint64_t> ids) {
  if (ids.empty() || ids.size() > kMaxGroupEvents) {
    return absl::InvalidArgumentError(
        absl::StrCat("a counter group has 1 to ", kMaxGroupEvents, " events, not ", ids.size()));
  }
  if (bytes.size() < GroupReadBytes(ids.size())) {
    return absl::DataLossError(absl::StrCat("short read of a counter group: ", bytes.size(), " bytes for ", ids.size(),
                                            " events; ", GroupReadBytes(ids.size()), " are expected"));
  }
  std::array<uint64_t, 3 + 2 * kMaxGroupEvents> words{};
  std::memcpy(words.data(), bytes.data(), GroupReadBytes(ids.size()));
  if (words[0] != ids.size()) {
    return absl::DataLossError(
        absl::StrCat("the kernel returned ", words[0], " events for a counter group of ", ids.size()));
  }
  GroupCounts counts;
  counts.enabled_ns = words[1];
  counts.running_ns = words[2];
  counts.size = ids.size();
  for (size_t i = 0; i < ids.size(); ++i) {
    if (words[4 + 2 * i] != ids[i]) {
      return absl::DataLossError(absl::StrCat("event ", i, " of a counter group has id ", words[4 + 2 * i],
                                              " where id ", ids[i], " was opened"));
    }
    counts.values[i] = words[3 + 2 * i];
  }
  return counts;
}

absl::StatusOr<GroupCounts> SubtractCounts(const GroupCounts& later, const GroupCounts& earlier) {
  if (later.size != earlier.size) {
    return absl::DataLossError(
        absl::StrCat("counter groups of ", later.size, " and ", earlier.size, " events can't be subtracted"));
  }
  bool backwards = later.enabled_ns < earlier.enabled_ns || later.running_ns < earlier.running_ns;
  GroupCounts delta;
  delta.size = later.size;
  delta.enabled_ns = later.enabled_ns - earlier.enabled_ns;
  delta.running_ns = later.running_ns - earlier.running_ns;
  for (size_t i = 0; i < later.size; ++i) {
    backwards |= later.values[i] < earlier.values[i];
    delta.values[i] = later.values[i] - earlier.values[i];
  }
  if (backwards) return absl::DataLossError("a counter group went backwards between two reads");
  return delta;
}

void ScaledSum::Add(const GroupCounts& counts) {
  enabled_ns_ += counts.enabled_ns;
  running_ns_ += counts.running_ns;
  if (counts.running_ns == 0) return;
  covered_ns_ += std::max(counts.enabled_ns, counts.running_ns);
  // The kernel takes the two times at slightly different moments, so running may be ahead by a few ns.
  const double factor = std::max(1.0, static_cast<double>(counts.enabled_ns) / static_cast<double>(counts.running_ns));
  for (size_t i = 0; i < counts.size; ++i) {
    raw_[i] += counts.values[i];
    scaled_[i] += static_cast<double>(counts.values[i]) * factor;
  }
}

std::optional<double> ScaledSum::Scaled(size_t index) const {
  if (running_ns_ == 0) return std::nullopt;
  const double uncovered = std::max(1.0, static_cast<double>(enabled_ns_) / static_cast<double>(covered_ns_));
  return scaled_[index] * uncovered;
}

std::optional<double> ScaledSum::ScaleFactor() const {
  if (running_ns_ == 0) return std::nullopt;
  return std::max(1.0, static_cast<double>(enabled_ns_) / static_cast<double>(running_ns_));
}

absl::StatusOr<PerfGroup> PerfGroup::Open(PerfSyscalls* syscalls, absl::Span<const PerfEvent> events,
                                          const PerfTarget& target, int cpu) {
  if (events.empty() || events.size() > kMaxGroupEvents) {
    return absl::InvalidArgumentError(
        absl::StrCat("a counter group has 1 to ", kMaxGroupEvents, " events, not ", events.size()));
  }
  PerfGroup group(syscalls, cpu);
  for (const PerfEvent& event : events) {
    const int fd = syscalls->Open(event, target, cpu, group.fds_.empty() ? -1 : group.fds_.front());
    if (fd < 0) return ErrnoStatus(-fd, absl::StrCat("opening counter ", event.name, " on CPU ", cpu));
    group.fds_.push_back(fd);
    uint64_t id = 0;
    if (const int error = syscalls->Id(fd, &id); error < 0) {
      return ErrnoStatus(-error, absl::StrCat("asking for the id of counter ", event.name, " on CPU ", cpu));
    }
    group.ids_.push_back(id);
  }
  return group;
}

PerfGroup::PerfGroup(PerfGroup&& other) noexcept
    : syscalls_(other.syscalls_),
      cpu_(other.cpu_),
      fds_(std::exchange(other.fds_, {})),
      ids_(std::exchange(other.ids_, {})) {}

PerfGroup& PerfGroup::operator=(PerfGroup&& other) noexcept {
  if (this != &other) {
    CloseAll();
    syscalls_ = other.syscalls_;
    cpu_ = other.cpu_;
    fds_ = std::exchange(other.fds_, {});
    ids_ = std::exchange(other.ids_, {});
  }
  return *this;
}

PerfGroup::~PerfGroup() {
  CloseAll();
}

void PerfGroup::CloseAll() {
  // Members first: closing a leader would turn them into groups of their own for a moment.
  while (!fds_.empty()) {
    syscalls_->Close(fds_.back());
    fds_.pop_back();
  }
}

absl::Status PerfGroup::SetEnabled(bool enabled) {
  const int error = syscalls_->SetGroupEnabled(fds_.front(), enabled);
  if (error < 0) {
    return ErrnoStatus(-error, absl::StrCat(enabled ? "enabling" : "disabling", " a counter group on CPU ", cpu_));
  }
  return absl::OkStatus();
}

absl::StatusOr<GroupCounts> PerfGroup::Read() const {
  char buffer[GroupReadBytes(kMaxGroupEvents)];
  const ssize_t got = syscalls_->Read(fds_.front(), buffer, GroupReadBytes(ids_.size()));
  if (got < 0) return ErrnoStatus(static_cast<int>(-got), absl::StrCat("reading a counter group on CPU ", cpu_));
  return DecodeGroupRead(std::string_view(buffer, static_cast<size_t>(got)), ids_);
}

}  // namespace truce::host
