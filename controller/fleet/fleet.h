// What the controller knows of its hosts: a plain state machine that is fed hellos, reports and receipts and is handed
// the time. It knows nothing of gRPC, the planner or the store, and takes no locks: ControllerCore (controller/serve)
// owns it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/fleet/moment.h"
#include "controller/fleet/validate.h"
#include "truce/v1/agent.pb.h"

namespace truce::controller {

// What a report says of a host as a whole, kept so that nothing has to walk 20,000 workloads twice.
struct HostSummary {
  // CPU in cores: 95th percentile where the fingerprint has one, else current use, summed over workloads.
  double cpu_p95_cores = 0;
  // Current CPU use, summed over workloads.
  double cpu_usage_cores = 0;
  // Memory: working set where known, else usage, summed over workloads.
  double memory_used_bytes = 0;
  double worst_score = 0;
  // Worst score among pairs whose victim has this ClassRank or a higher one; index 1-3.
  std::array<double, 4> worst_score_from_rank{};
  // Host-wide CPU utilisation, 0-1, when any workload's readings carry it.
  std::optional<double> cpu_busy_ratio;
};

// One host. Hosts stay known after their agent has gone.
struct HostState {
  std::string name;
  v1::HostInventory inventory;
  // The agent's configured mode, and the highest that the host allows.
  v1::Mode agent_mode = v1::MODE_OBSERVE;
  v1::Mode mode_ceiling = v1::MODE_OBSERVE;
  // How often its agent says that it reports; zero when it did not say.
  absl::Duration report_interval;
  // How old readings of what changes seldom (quotas, limits) may be when the report with them is made: ten minutes, the
  // longest that there is, when its agent did not say.
  absl::Duration slow_interval;
  bool connected = false;
  // The session that speaks for it; zero when not connected.
  uint64_t session = 0;
  // Whether this connection brought a report yet. Until then nothing new is asked of the host: what is known of it is
  // older than the connection.
  bool reported = false;
  Moment first_seen;
  // When its agent last said hello or reported, or when it was lost.
  Moment last_heard;
  std::optional<Moment> last_report_at;
  // The last accepted report, and where each workload stands in it.
  v1::Report report;
  absl::flat_hash_map<std::string, int> workload_index;
  // Symmetric scores need the other direction at hand: "victim\naggressor" -> position in report.pairs.
  absl::flat_hash_map<std::string, int> pair_index;
  // The first of what was left out of that report because it made no sense; nullopt when all was taken.
  std::optional<Refusal> left_out;
  // Actions in force as the agent last said.
  std::vector<v1::HeldAction> held;
  // The same of migrations.
  google::protobuf::RepeatedPtrField<v1::MigrationStatus> migrations;
  HostSummary summary;

  // The workload's last report, or nullptr.
  const v1::WorkloadReport* Find(std::string_view workload) const;
  // The pair's score, or nullptr when the last report doesn't list it.
  const v1::PairScore* FindPair(std::string_view victim, std::string_view aggressor) const;
  // CPU use of the last interval in cores, or nullopt.
  static std::optional<double> CpuUsage(const v1::WorkloadReport& workload);
  // 95th percentile of CPU use in cores where known, else current use; 0 when neither is.
  static double CpuP95(const v1::WorkloadReport& workload);
};

struct FleetOptions {
  // The least that counts as a reporting interval, and after how many missing reports a host counts as disconnected.
  absl::Duration report_interval = absl::Seconds(5);
  int missed_report_limit = 3;
  MessageLimits limits;
};

class Fleet {
 public:
  explicit Fleet(FleetOptions options) : options_(options) {}

  struct Accepted {
    HostState* host = nullptr;
    // The older session of the same host, to be closed; zero for none.
    uint64_t replaced_session = 0;
    // How long the host was away; InfiniteDuration when it was never here.
    absl::Duration away = absl::ZeroDuration();
  };
  // The first message of session `session` (never zero). FailedPrecondition for a protocol version that is not ours,
  // InvalidArgument for nonsense; both are counted as refused.
  absl::StatusOr<Accepted> OnHello(uint64_t session, const v1::Hello& hello, Moment now);
  // A report of a host; nullopt when it was accepted. A refused one changes nothing but the count, and keeps the
  // session alive: an agent with one bad report is still there. An accepted one goes without its unsound signatures,
  // bounds and migrations (LeaveOutUnsound), each of which is counted as refused.
  std::optional<Refusal> OnReport(HostState& host, v1::Report report, Moment now);
  // Checks receipts and results; the caller acts on them.
  std::optional<Refusal> OnReceipts(const v1::ReceiptBatch& batch);
  std::optional<Refusal> OnResult(const v1::DesiredSetResult& result);
  // The session ended. Ignored when another session speaks for the host by now. Returns the host that was lost.
  HostState* OnClosed(uint64_t session, Moment now);
  // Hosts that just fell silent for too long; they count as disconnected from now on, and each one's session is the
  // second value.
  std::vector<std::pair<HostState*, uint64_t>> DropSilent(Moment now);

  HostState* Find(std::string_view host);
  const HostState* Find(std::string_view host) const;
  // The host that `session` speaks for, or nullptr.
  HostState* OfSession(uint64_t session);
  std::map<std::string, HostState, std::less<>>& hosts() { return hosts_; }
  const std::map<std::string, HostState, std::less<>>& hosts() const { return hosts_; }
  int connected_count() const { return static_cast<int>(sessions_.size()); }
  // Refused messages, and what was left out of accepted reports, by reason.
  const std::map<std::string, uint64_t>& refused() const { return refused_; }
  uint64_t reports() const { return reports_; }
  const FleetOptions& options() const { return options_; }

 private:
  std::optional<Refusal> Count(std::optional<Refusal> refusal);

  FleetOptions options_;
  std::map<std::string, HostState, std::less<>> hosts_;
  absl::flat_hash_map<uint64_t, HostState*> sessions_;
  std::map<std::string, uint64_t> refused_;
  uint64_t reports_ = 0;
};

}  // namespace truce::controller
