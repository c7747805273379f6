#include "src/host/balloon_libvirt.h"

#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/libvirt_api.h"

namespace truce::host {
namespace {

constexpr uint64_t kKibibyte = 1024;
// What a guest said longer ago says nothing about now.
constexpr absl::Duration kFreshest = absl::Seconds(30);

}  // namespace

// Used by one thread at a time.
struct LibvirtSession {
  std::string uri;
  std::string library;
  absl::StatusOr<LibvirtApi> api = absl::UnknownError("not loaded");
  virConnectPtr connection = nullptr;

  // The last error of this thread.
  absl::Status Failure(std::string_view doing) const {
    absl::Status failure = api->Failure(StrCat(doing, " at ", uri));
    // NotFound is for a machine that is gone; this one runs, and another libvirt has it.
    if (!absl::IsNotFound(failure)) return failure;
    return absl::FailedPreconditionError(
        StrCat(StdView(failure.message()), "; set virtual_machines.libvirt_uri to where it is known"));
  }

  bool Alive() const { return connection != nullptr && api->is_alive(connection) == 1; }

  void Close() {
    if (connection != nullptr) api->close(connection);
    connection = nullptr;
  }

  absl::Status Open() {
    if (uri.empty()) {
      return absl::FailedPreconditionError(
          "it is libvirt's, which is not asked; set virtual_machines.libvirt_uri, such as qemu:///system");
    }
    if (!api.ok()) {
      api = LibvirtApi::Load(library);
      TRUCE_RETURN_IF_ERROR(api.status());
    }
    if (Alive()) return absl::OkStatus();
    Close();
    connection = api->open(uri.c_str());
    if (connection != nullptr) return absl::OkStatus();
    const absl::Status failure = Failure("connecting to libvirt");
    // Whatever else it says, it may be there later.
    return absl::IsPermissionDenied(failure) ? failure : absl::UnavailableError(failure.message());
  }
};

namespace {

absl::StatusOr<LibvirtDomain> Find(LibvirtSession& session, const std::string& machine) {
  virDomainPtr domain = session.api->by_name(session.connection, machine.c_str());
  if (domain == nullptr) return session.Failure("looking for the machine");
  return LibvirtDomain(domain, FreeDomain{&*session.api});
}

absl::StatusOr<BalloonState> LookWith(LibvirtSession& session, const std::string& machine) {
  TRUCE_ASSIGN_OR_RETURN(const LibvirtDomain domain, Find(session, machine));
  virDomainInfo info{};
  if (session.api->info(domain.get(), &info) != 0) return session.Failure("asking for its memory");
  BalloonState state{.actual_bytes = info.memory * kKibibyte, .maximum_bytes = info.maxMem * kKibibyte};
  virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR] = {};
  const int count = session.api->memory_stats(domain.get(), stats, VIR_DOMAIN_MEMORY_STAT_NR, 0);
  bool fresh = false;
  for (int i = 0; i < count; ++i) {
    const uint64_t value = stats[i].val;
    if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON) state.actual_bytes = value * kKibibyte;
    if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_AVAILABLE) state.guest_total_bytes = value * kKibibyte;
    if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_USABLE) state.guest_available_bytes = value * kKibibyte;
    if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_LAST_UPDATE) {
      fresh = absl::Now() - absl::FromUnixSeconds(static_cast<int64_t>(value)) <= kFreshest;
    }
  }
  if (!fresh) {
    state.guest_total_bytes.reset();
    state.guest_available_bytes.reset();
  }
  return state;
}

absl::StatusOr<BalloonState> AskWith(LibvirtSession& session, const std::string& machine, uint64_t bytes) {
  TRUCE_ASSIGN_OR_RETURN(const LibvirtDomain domain, Find(session, machine));
  // Of the running machine only: how it is started the next time is not Truce's business.
  const auto kibibytes = static_cast<unsigned long>(bytes / kKibibyte);
  if (session.api->set_memory(domain.get(), kibibytes, VIR_DOMAIN_AFFECT_LIVE) != 0) {
    return session.Failure("setting its memory");
  }
  return BalloonState{};
}

class LibvirtBalloon final : public Balloon {
 public:
  LibvirtBalloon(std::shared_ptr<Libvirt> libvirt, std::string machine)
      : libvirt_(std::move(libvirt)), machine_(std::move(machine)) {}
  absl::StatusOr<BalloonState> Look() override { return libvirt_->Look(machine_); }
  absl::Status Ask(uint64_t bytes) override { return libvirt_->Ask(machine_, bytes); }

 private:
  const std::shared_ptr<Libvirt> libvirt_;
  const std::string machine_;
};

}  // namespace

Libvirt::Libvirt(const std::string& uri, absl::Duration patience, const std::string& library)
    : patience_(patience), session_(std::make_shared<LibvirtSession>()) {
  session_->uri = uri;
  session_->library = library;
}

// A call that still hangs keeps the session; its connection ends with the process.
Libvirt::~Libvirt() {
  if (Busy() || session_->connection == nullptr) return;
  (void)Start([session = session_]() -> absl::StatusOr<BalloonState> {
    session->Close();
    return BalloonState{};
  });
}

absl::StatusOr<BalloonState> Libvirt::Look(const std::string& machine) {
  return Run([machine](LibvirtSession& session) { return LookWith(session, machine); });
}

absl::Status Libvirt::Ask(const std::string& machine, uint64_t bytes) {
  return Run([machine, bytes](LibvirtSession& session) { return AskWith(session, machine, bytes); }).status();
}

bool Libvirt::Busy() const {
  return pending_.valid() && pending_.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

absl::StatusOr<BalloonState> Libvirt::Run(Work work) {
  return Start([session = session_, work = std::move(work)]() -> absl::StatusOr<BalloonState> {
    TRUCE_RETURN_IF_ERROR(session->Open());
    absl::StatusOr<BalloonState> outcome = work(*session);
    if (outcome.ok() || session->Alive()) return outcome;
    // libvirtd was started anew since the last call, which only a call shows.
    TRUCE_RETURN_IF_ERROR(session->Open());
    return work(*session);
  });
}

absl::StatusOr<BalloonState> Libvirt::Start(std::function<absl::StatusOr<BalloonState>()> call) {
  if (!Busy()) {
    std::packaged_task<absl::StatusOr<BalloonState>()> task(std::move(call));
    pending_ = task.get_future();
    std::thread(std::move(task)).detach();
    if (pending_.wait_for(absl::ToChronoNanoseconds(patience_)) == std::future_status::ready) return pending_.get();
  }
  return absl::UnavailableError(
      StrCat("libvirt at ", session_->uri, " does not answer; see the log of libvirtd or virtqemud"));
}

std::unique_ptr<Balloon> MakeLibvirtBalloon(std::shared_ptr<Libvirt> libvirt, const std::string& machine) {
  return std::make_unique<LibvirtBalloon>(std::move(libvirt), machine);
}

}  // namespace truce::host
