#include "src/host/balloon.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/time/clock.h"
#include "google/protobuf/struct.pb.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/balloon_libvirt.h"
#include "src/host/libvirt_api.h"
#include "src/host/qmp.h"

namespace truce::host {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

// A guest's memory may differ from what was asked for by so much without a reason of anybody's.
constexpr uint64_t kDrift = uint64_t{16} << 20;
// What a guest said longer ago says nothing about now.
constexpr absl::Duration kFreshest = absl::Seconds(30);
// A cgroup that nobody asked about for so long is forgotten.
constexpr absl::Duration kForgetAfter = absl::Minutes(10);

uint64_t Distance(uint64_t a, uint64_t b) {
  return a > b ? a - b : b - a;
}

Struct Arguments(std::initializer_list<std::pair<const char*, std::string>> texts) {
  Struct arguments;
  for (const auto& [name, text] : texts) (*arguments.mutable_fields())[name].set_string_value(text);
  return arguments;
}

// A number of bytes; nullopt where QEMU has none, which it writes as the greatest number that there is.
std::optional<uint64_t> BytesIn(const Value& value, const std::string& name) {
  constexpr double kMostBytes = 1e18;
  const auto number = NumberIn(value, name);
  if (!number.ok() || !std::isfinite(*number) || *number < 0 || *number > kMostBytes) return std::nullopt;
  return static_cast<uint64_t>(*number);
}

// Where the machine's balloon is in QEMU's tree of objects; empty when it is not found.
std::string BalloonPath(QmpClient& qemu) {
  for (const char* place : {"/machine/peripheral", "/machine/peripheral-anon"}) {
    const auto devices = qemu.Execute("qom-list", Arguments({{"path", place}}));
    if (!devices.ok()) continue;
    for (const Value& device : devices->list_value().values()) {
      if (TextIn(device, "type").starts_with("child<virtio-balloon")) return StrCat(place, "/", TextIn(device, "name"));
    }
  }
  return "";
}

void AddGuestStats(QmpClient& qemu, BalloonState& state) {
  const std::string path = BalloonPath(qemu);
  if (path.empty()) return;
  const auto answer = qemu.Execute("qom-get", Arguments({{"path", path}, {"property", "guest-stats"}}));
  if (!answer.ok()) return;
  const auto updated = NumberIn(*answer, "last-update");
  if (!updated.ok() || absl::Now() - absl::FromUnixSeconds(static_cast<int64_t>(*updated)) > kFreshest) return;
  const auto stats = answer->struct_value().fields().find("stats");
  if (stats == answer->struct_value().fields().end()) return;
  state.guest_total_bytes = BytesIn(stats->second, "stat-total-memory");
  state.guest_available_bytes = BytesIn(stats->second, "stat-available-memory");
}

class QmpBalloon final : public Balloon {
 public:
  QmpBalloon(std::string monitor, absl::Duration patience, int pid)
      : monitor_(std::move(monitor)), patience_(patience), pid_(pid) {}

  absl::StatusOr<BalloonState> Look() override {
    if (monitor_.empty()) return NoMonitor();
    TRUCE_ASSIGN_OR_RETURN(const std::unique_ptr<QmpClient> qemu, QmpClient::Connect(monitor_, patience_, pid_));
    const auto balloon = qemu->Execute("query-balloon");
    if (!balloon.ok()) return NoBalloon(balloon.status());
    const auto size = qemu->Execute("query-memory-size-summary");
    // NotFound is for a machine that is gone; this QEMU is too old.
    if (absl::IsNotFound(size.status())) return absl::FailedPreconditionError(size.status().message());
    TRUCE_RETURN_IF_ERROR(size.status());
    const auto actual = BytesIn(*balloon, "actual");
    const auto base = BytesIn(*size, "base-memory");
    if (!actual || !base) return absl::InternalError("QEMU did not say how much memory the machine has");
    BalloonState state{.actual_bytes = *actual, .maximum_bytes = *base + BytesIn(*size, "plugged-memory").value_or(0)};
    AddGuestStats(*qemu, state);
    return state;
  }

  absl::Status Ask(uint64_t bytes) override {
    if (monitor_.empty()) return NoMonitor();
    TRUCE_ASSIGN_OR_RETURN(const std::unique_ptr<QmpClient> qemu, QmpClient::Connect(monitor_, patience_, pid_));
    Struct arguments;
    (*arguments.mutable_fields())["value"].set_number_value(static_cast<double>(bytes));
    return NoBalloon(qemu->Execute("balloon", arguments).status());
  }

 private:
  static absl::Status NoMonitor() {
    return absl::FailedPreconditionError(
        "it has no monitor to be asked by; start it with -qmp unix:PATH,server=on,wait=off");
  }
  static absl::Status NoBalloon(const absl::Status& status) {
    if (!absl::IsFailedPrecondition(status)) return status;
    return absl::FailedPreconditionError(StrCat(StdView(status.message()), "; start it with -device virtio-balloon"));
  }

  const std::string monitor_;
  const absl::Duration patience_;
  const int pid_;
};

// Of a machine that can't be asked.
class NoBalloonAtAll final : public Balloon {
 public:
  explicit NoBalloonAtAll(absl::Status status) : status_(std::move(status)) {}
  absl::StatusOr<BalloonState> Look() override { return status_; }
  absl::Status Ask(uint64_t) override { return status_; }

 private:
  const absl::Status status_;
};

}  // namespace

std::unique_ptr<Balloon> MakeQmpBalloon(const std::string& monitor, absl::Duration patience, int pid) {
  return std::make_unique<QmpBalloon>(monitor, patience, pid);
}

BalloonMaker SystemBalloons(const std::string& libvirt_uri, absl::Duration patience, const std::string& run_directory) {
  const auto libvirt = std::make_shared<Libvirt>(libvirt_uri, patience);
  const bool asks_libvirt = !libvirt_uri.empty();
  return [libvirt, asks_libvirt, patience, run_directory](const VirtualMachine& machine) -> std::unique_ptr<Balloon> {
    if (!machine.of_libvirt) return MakeQmpBalloon(machine.monitor, patience, machine.pid);
    absl::Status known = asks_libvirt ? CheckLibvirtsPid(machine.name, machine.pid, run_directory) : absl::OkStatus();
    if (!known.ok()) return std::make_unique<NoBalloonAtAll>(std::move(known));
    return MakeLibvirtBalloon(libvirt, machine.name);
  };
}

absl::StatusOr<uint64_t> Balloons::Target(const Cgroup& cgroup) {
  TRUCE_ASSIGN_OR_RETURN(Known * known, Find(cgroup));
  if (!known->asked || absl::Now() - known->looked_at >= options_.look_every) {
    TRUCE_RETURN_IF_ERROR(LookAt(cgroup, *known).status());
  }
  return known->asked ? known->asked->bytes : known->actual_bytes;
}

absl::Status Balloons::Ask(const Cgroup& cgroup, uint64_t bytes) {
  TRUCE_ASSIGN_OR_RETURN(Known * known, Find(cgroup));
  // Also tells where the guest starts from.
  TRUCE_RETURN_IF_ERROR(LookAt(cgroup, *known).status());
  const bool untouched = std::exchange(known->untouched, std::nullopt) == bytes;
  if (untouched || (known->asked && known->asked->bytes == bytes)) return absl::OkStatus();
  const absl::Status status = known->balloon->Ask(bytes);
  if (status.ok()) {
    known->asked = Asked{bytes, known->actual_bytes};
  } else if (absl::IsUnavailable(status) || absl::IsInternal(status)) {
    known->asked.reset();
  } else if (!known->asked && bytes != known->actual_bytes) {
    known->untouched = known->actual_bytes;
  }
  return Failed(cgroup, *known, status);
}

absl::StatusOr<BalloonState> Balloons::Look(const Cgroup& cgroup) {
  TRUCE_ASSIGN_OR_RETURN(Known * known, Find(cgroup));
  return LookAt(cgroup, *known);
}

absl::StatusOr<Balloons::Known*> Balloons::Find(const Cgroup& cgroup) {
  const absl::Time now = absl::Now();
  std::erase_if(known_, [now](const auto& one) { return now - one.second.used_at > kForgetAfter; });
  Known& known = known_[{cgroup.path(), cgroup.instance()}];
  known.used_at = now;
  if (now - known.searched_at >= options_.search_every) Search(cgroup, known);
  TRUCE_RETURN_IF_ERROR(known.searched);
  if (now >= known.quiet_until) return &known;
  return absl::UnavailableError(
      StrCat("virtual machine ", known.machine.name, " did not answer a moment ago and is not asked yet"));
}

void Balloons::Search(const Cgroup& cgroup, Known& known) const {
  std::vector<VirtualMachine> found = FindVirtualMachines(cgroup, options_.procfs);
  known.searched_at = absl::Now();
  known.searched = absl::OkStatus();
  if (found.empty()) known.searched = absl::NotFoundError(StrCat("no virtual machine runs in ", cgroup.path()));
  if (found.size() > 1) {
    known.searched = absl::FailedPreconditionError(
        StrCat(found.size(), " virtual machines run in ", cgroup.path(), "; start each in a cgroup of its own"));
  }
  if (found.size() == 1 && known.balloon != nullptr && found[0].pid == known.machine.pid) return;
  const bool replaced = found.size() == 1 && known.asked.has_value();
  known.balloon.reset();
  known.asked.reset();
  known.untouched.reset();
  known.quiet_until = absl::InfinitePast();
  if (replaced) known.searched = absl::NotFoundError(StrCat("another machine was started in ", cgroup.path()));
  if (!known.searched.ok()) return;
  known.machine = std::move(found[0]);
  known.balloon = options_.make(known.machine);
}

absl::StatusOr<BalloonState> Balloons::LookAt(const Cgroup& cgroup, Known& known) {
  auto state = known.balloon->Look();
  if (!state.ok()) return Failed(cgroup, known, state.status());
  known.actual_bytes = state->actual_bytes;
  known.looked_at = absl::Now();
  if (!known.asked) return state;
  Asked& asked = *known.asked;
  const uint64_t far = Distance(state->actual_bytes, asked.bytes);
  if (far > Distance(asked.nearest, asked.bytes) + kDrift) {
    known.asked.reset();
  } else if (far < Distance(asked.nearest, asked.bytes)) {
    asked.nearest = state->actual_bytes;
  }
  return state;
}

// The error for the caller; OK stays OK.
absl::Status Balloons::Failed(const Cgroup& cgroup, Known& known, const absl::Status& status) {
  if (status.ok()) return status;
  if (absl::IsUnavailable(status)) known.quiet_until = absl::Now() + options_.quiet;
  const std::string name = StrCat("virtual machine ", known.machine.name);
  if (!absl::IsNotFound(status)) return WithContext(status, name);
  // Its socket is gone. The machine too?
  Search(cgroup, known);
  TRUCE_RETURN_IF_ERROR(known.searched);
  return absl::FailedPreconditionError(
      StrCat(name, " runs, but can't be asked: ", StdView(status.message()), "; start it anew"));
}

}  // namespace truce::host
