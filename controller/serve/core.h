// The controller's one strand: fleet state, plans, policy, modes and holds behind one named lock. Streams feed it
// reports, operators ask and steer it, a tick once a second looks for hosts that fell silent.
//
//   AgentService ─► OnMessage ─► Fleet ─► PlanHost ─► desired set ─► SessionSink
//                       │                     ├─► decisions, events ─► Store (queue)
//                       └─► Migrations ◄──────┘ wishes
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "controller/fleet/fleet.h"
#include "controller/learn/drifts.h"
#include "controller/learn/live_errors.h"
#include "controller/learn/model_library.h"
#include "controller/learn/retraining.h"
#include "controller/learn/rollout.h"
#include "controller/learn/signatures.h"
#include "controller/plan/migrations.h"
#include "controller/plan/move_receipts.h"
#include "controller/plan/place/places.h"
#include "controller/plan/planner.h"
#include "controller/serve/history.h"
#include "controller/serve/metrics.h"
#include "controller/serve/migration_writes.h"
#include "controller/store/store.h"
#include "src/base/clock.h"
#include "truce/v1/agent.pb.h"
#include "truce/v1/operator.pb.h"
#include "truce/v1/scheduler.pb.h"

namespace truce::controller {

// One agent's stream as the core sees it. Thread-safe.
class SessionSink {
 public:
  virtual ~SessionSink() = default;
  // Queues a message or the end of the stream. Called under the core's lock: must not send, block or call back.
  virtual void Queue(v1::ConnectResponse message) = 0;
  virtual void QueueClose(absl::Status status) = 0;
  // Sends what is queued. Called without any lock.
  virtual void Pump() = 0;
};

struct CoreOptions {
  FleetOptions fleet;
  // Until an operator applies one; one that is in the store wins.
  v1::Policy initial_policy;
  std::string version;
  // Names this run of the controller; lease ids begin with it.
  std::string instance;
  bool history = true;
  // Where models lie that are sent to hosts; empty: nowhere, and none can be proposed.
  std::string model_directory;
  RolloutOptions rollout;
  // Nullopt: demand models stay as they are.
  std::optional<RetrainingOptions> retraining;
  // When workloads are placed: what of every host is left free, and what of a forecast is set aside (PlacesOptions).
  double reserve_ratio = 0;
  SetAside set_aside = SetAside::kPeak;
  // A stream that has not said hello by then is closed.
  absl::Duration hello_timeout = absl::Seconds(10);
};

// Thread-safe. Errors of the operator functions name what was not found or is ambiguous, and list candidates.
class ControllerCore {
 public:
  // `clock` and `store` outlive it.
  ControllerCore(CoreOptions options, const Clock& clock, Store& store);
  ~ControllerCore();
  ControllerCore(const ControllerCore&) = delete;
  ControllerCore& operator=(const ControllerCore&) = delete;

  // Streams. `certified_host` is the host that the caller's certificate names; nullopt on a plain-text server, where
  // only this machine can call.
  uint64_t OnOpened(std::shared_ptr<SessionSink> sink, std::optional<std::string> certified_host);
  void OnMessage(uint64_t session, v1::ConnectRequest request);
  void OnClosed(uint64_t session);
  // Once a second.
  void Tick();
  // Before the server stops: ends every stream, so that agents reconnect elsewhere or let their leases run out.
  void CloseAll(const absl::Status& status);

  // What operators ask.
  absl::StatusOr<v1::ListHostsResponse> ListHosts(const v1::ListHostsRequest& request);
  absl::StatusOr<v1::ListWorkloadsResponse> ListWorkloads(const v1::ListWorkloadsRequest& request);
  absl::StatusOr<v1::ListApplicationsResponse> ListApplications(const v1::ListApplicationsRequest& request);
  absl::StatusOr<v1::ListPairsResponse> ListPairs(const v1::ListPairsRequest& request);
  absl::StatusOr<v1::ListActionsResponse> ListActions(const v1::ListActionsRequest& request);
  absl::StatusOr<v1::ListEventsResponse> ListEvents(const v1::ListEventsRequest& request);
  absl::StatusOr<v1::ListReceiptsResponse> ListReceipts(const v1::ListReceiptsRequest& request);
  absl::StatusOr<v1::ListDecisionsResponse> ListDecisions(const v1::ListDecisionsRequest& request);
  absl::StatusOr<v1::ExplainResponse> Explain(const v1::ExplainRequest& request);
  v1::GetPolicyResponse GetPolicy();
  absl::StatusOr<v1::ListMigrationsResponse> ListMigrations(const v1::ListMigrationsRequest& request);
  absl::StatusOr<v1::ListModelsResponse> ListModels(const v1::ListModelsRequest& request);

  // What operators change. In force, and on its way to the hosts, when they return; `who` goes to the audit log.
  absl::StatusOr<v1::SetModeResponse> SetMode(const v1::SetModeRequest& request, std::string_view who);
  absl::StatusOr<v1::HoldResponse> Hold(const v1::HoldRequest& request, std::string_view who);
  absl::StatusOr<v1::ResumeResponse> Resume(const v1::ResumeRequest& request, std::string_view who);
  absl::StatusOr<v1::ApplyPolicyResponse> ApplyPolicy(const v1::ApplyPolicyRequest& request, std::string_view who);
  absl::StatusOr<v1::MigrateResponse> Migrate(const v1::MigrateRequest& request, std::string_view who);
  absl::StatusOr<v1::VerifyMigrationResponse> VerifyMigration(const v1::VerifyMigrationRequest& request,
                                                              std::string_view who);

  absl::StatusOr<v1::RollBackModelResponse> RollBackModel(const v1::RollBackModelRequest& request,
                                                          std::string_view who);

  // Has hosts try a model that was judged better than the champion on held-out data; see ModelRollout::Propose. Writes
  // to disk: from no thread that a stream waits for.
  absl::Status ProposeModel(v1::ModelKind kind, std::string bytes, std::string why);

  // Whom schedulers ask, without waiting for anything else that goes on here.
  Places& places() { return places_; }

  MetricsSnapshot Metrics();

 private:
  struct Session {
    std::shared_ptr<SessionSink> sink;
    std::optional<std::string> certified_host;
    absl::Duration opened_at;
    bool said_hello = false;
  };
  struct Entry {
    HostPlan plan;
    // The last desired set's version and content (without version and nonce).
    uint64_t version = 0;
    std::string content;
    absl::Duration refusal_told_at = -absl::InfiniteDuration();
    absl::Duration left_out_told_at = -absl::InfiniteDuration();
    // Receipt batches that were acted upon already.
    std::deque<std::string> seen_batches;
  };
  // Sinks with something queued; pumped when the lock is gone.
  using Pumps = std::vector<std::shared_ptr<SessionSink>>;

  void OnHello(uint64_t id, Session& session, const v1::Hello& hello, Pumps& pumps)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnReport(Session& session, HostState& host, v1::Report report, Pumps& pumps)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnReceipts(Session& session, HostState& host, v1::ReceiptBatch batch, Pumps& pumps)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnResult(Session& session, HostState& host, const v1::DesiredSetResult& result, Pumps& pumps)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnModelMessage(Session& session, HostState& host, const v1::ConnectRequest& request, Pumps& pumps)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Offers the host what it should have, if it has it not.
  void OfferModel(const std::string& host, Pumps& pumps) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A model that retraining found to be better is proposed; what hosts have now is what it tunes next.
  void FollowChallenger() ABSL_LOCKS_EXCLUDED(mutex_);
  // Tells what the rollout of models did, and has it stored.
  void FollowRollout() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Once a second: offers some of the hosts what they should have now.
  void OfferDueModels(Pumps& pumps) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Close(Session& session, absl::Status status, Pumps& pumps) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnLost(HostState& host, std::string_view why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Plans the host and queues its desired set if `always`, or if its content changed.
  void PlanAndSend(HostState& host, bool always, Pumps& pumps) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SendDesired(HostState& host, bool always, Pumps& pumps) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PlanAll(Pumps& pumps) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  PlanContext Context(const HostState& host) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes over what an earlier controller stored of migrations.
  void RestoreMigrations(const StoredState& restored) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What the planner wishes is proposed or begun; its decisions get the migrations' ids.
  void FollowWishes(std::vector<MigrationWish> wishes, std::vector<v1::Decision>* decisions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Moves migrations on, has them stored, tells how they ended and sends what hosts are ordered next.
  void FollowMigrations(Pumps& pumps) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Has it written down; until it is on disk the hosts are ordered what they were before (migration_writes.h).
  void StoreMigration(v1::Migration migration) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // On the store's thread.
  void OnMigrationStored(const std::string& migration_id, uint64_t number, const absl::Status& status)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void OnMigrationRefused(const std::string& migration_id, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether actions are held or wanted on the workload that it moves.
  bool IsActedOn(const v1::Migration& migration) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnMigrationEnded(const v1::Migration& migration) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What would be begun for an operator.
  absl::StatusOr<v1::Migration> PlanMove(const v1::MigrateRequest& request, std::string_view who)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Record(std::vector<v1::Decision> decisions) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell(std::string_view host, std::string_view workload, std::string_view kind, std::string message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellRefusal(HostState& host, const Refusal& refusal) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellLeftOut(const HostState& host) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsHeld(std::string_view host) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of a question to the store that found nothing: whether the names in it mean anybody (empty: everybody).
  absl::Status KnownNames(std::string_view host, std::string_view workload) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status KnownHost(std::string_view host) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // For what it learns when it connects: a host too that has not, since this controller started.
  absl::Status EverKnownHost(std::string_view host) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A warning where that is so; nullopt for a host that has connected, and for the fleet.
  std::optional<std::string> NotYetConnected(std::string_view host) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Learns from the signatures in the host's last report, and whether its workloads keep to their ways.
  void Learn(const HostState& host) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Once a minute, what was learned since; a lot of it over several ticks.
  void StoreSignatures(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Baselines that are due, some with each tick, and episodes that have changed.
  void StoreDrifts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Has what workloads used stored, and the demand model retrained when that is due.
  void FollowRetraining() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Policy and holds on their way to the store. What is in force but not on disk is stored again by Tick until that
  // works.
  struct Saving {
    absl::Notification done;
    absl::Status status;  // once done
  };
  std::shared_ptr<Saving> SaveState() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Waits for it. A change that is in force but not on disk becomes an event and the returned warning.
  std::optional<std::string> MakeDurable(std::string_view what, Saving& saving);

  struct Found {
    const HostState* host;
    const v1::WorkloadReport* workload;
  };
  // A workload as somebody asked for it.
  struct Asked {
    std::string host;
    std::string workload;
  };
  // "HOST/NAME" as errors write candidates, taken apart; as it is when a workload is called so or no host is.
  Asked TakeApart(std::string_view host, std::string_view query) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Workloads that `query` may mean, on `host` or (empty) all.
  std::vector<Found> FindWorkloads(std::string_view host, std::string_view query) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Exactly one, or an error with candidates.
  absl::StatusOr<Found> OneWorkload(std::string_view host, std::string_view query) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status NoSuchWorkload(std::string_view host, std::string_view query) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status NoSuchApplication(const std::string& query) ABSL_LOCKS_EXCLUDED(mutex_);
  // The full name that a query means, for filters of stored rows; the query itself when nobody lives by it now.
  Asked FullName(std::string_view host, const std::string& query) ABSL_LOCKS_EXCLUDED(mutex_);
  const HostPlan& PlanOf(const HostState& host) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<const HostState*> HostsFor(std::string_view host) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Tells schedulers of the host.
  void PublishPlaces(const HostState& host) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const CoreOptions options_;
  const Clock& clock_;
  Store& store_;

  absl::Mutex mutex_;
  Fleet fleet_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Entry, std::less<>> entries_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, Session> sessions_ ABSL_GUARDED_BY(mutex_);
  FleetBrake brake_ ABSL_GUARDED_BY(mutex_);
  Arbiter arbiter_ ABSL_GUARDED_BY(mutex_);
  v1::Policy policy_ ABSL_GUARDED_BY(mutex_);
  // Whether an operator ever set one; until then it is the configuration's.
  bool policy_is_set_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> holds_ ABSL_GUARDED_BY(mutex_);
  // That connected to a controller before this one.
  const std::set<std::string> earlier_hosts_;
  MinuteHistory history_ ABSL_GUARDED_BY(mutex_);
  Signatures signatures_ ABSL_GUARDED_BY(mutex_);
  Drifts drifts_ ABSL_GUARDED_BY(mutex_);
  const ModelLibrary library_;
  ModelRollout rollout_ ABSL_GUARDED_BY(mutex_);
  LiveErrors live_errors_ ABSL_GUARDED_BY(mutex_);
  Retraining retraining_ ABSL_GUARDED_BY(mutex_);
  // SHA-256 of the champion that retraining knows of.
  std::string retrained_from_ ABSL_GUARDED_BY(mutex_);
  absl::Duration store_signatures_at_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
  Places places_;
  Migrations migrations_ ABSL_GUARDED_BY(mutex_);
  MigrationWrites migration_writes_ ABSL_GUARDED_BY(mutex_);
  MoveReceipts move_receipts_ ABSL_GUARDED_BY(mutex_);
  MetricsCounts counts_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_session_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t next_decision_id_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t next_event_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t next_nonce_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t store_losses_told_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration store_told_at_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  // Numbers of the newest save that was begun and of the newest that is on disk: policy and holds are in force but not
  // stored while they differ. Written by the store's thread, which may outlive this.
  struct Saves {
    std::atomic<uint64_t> begun = 0;
    std::atomic<uint64_t> stored = 0;
  };
  std::shared_ptr<Saves> saves_ = std::make_shared<Saves>();
  absl::Duration save_again_at_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
  // How the store's thread, which may outlive this, finds it: null from its end on. Locked before mutex_.
  struct Home {
    absl::Mutex mutex;
    ControllerCore* core ABSL_GUARDED_BY(mutex) = nullptr;
  };
  std::shared_ptr<Home> home_ = std::make_shared<Home>();
};

}  // namespace truce::controller
