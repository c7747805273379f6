// ControllerCore's half that talks to agents.
#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_format.h"
#include "controller/fleet/words.h"
#include "controller/plan/policy.h"
#include "controller/serve/core.h"
#include "spdlog/spdlog.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr size_t kSeenBatches = 64;
constexpr absl::Duration kTellAgain = absl::Minutes(1);
// A model whose signatures make no sense makes more of them every minute.
constexpr absl::Duration kTellLeftOutAgain = absl::Hours(1);

void PumpAll(const std::vector<std::shared_ptr<SessionSink>>& sinks) {
  for (const auto& sink : sinks) sink->Pump();
}

}  // namespace

ControllerCore::ControllerCore(CoreOptions options, const Clock& clock, Store& store)
    : options_(std::move(options)),
      clock_(clock),
      store_(store),
      fleet_(options_.fleet),
      policy_(store.restored().policy.value_or(options_.initial_policy)),
      policy_is_set_(store.restored().policy.has_value()),
      holds_(store.restored().holds),
      earlier_hosts_(store.restored().hosts),
      drifts_(options_.instance),
      library_(options_.model_directory),
      rollout_(options_.rollout, library_),
      retraining_(options_.retraining, clock.Monotonic()),
      places_({options_.instance, options_.reserve_ratio, options_.set_aside}, clock),
      migrations_(options_.instance),
      next_decision_id_(store.restored().next_decision_id),
      next_event_(store.restored().next_event_sequence) {
  // What is stored is complete, but an older controller wrote a score of zero as nothing at all, and it may lack fields
  // that were added since.
  if (policy_is_set_) {
    for (auto& threshold : *policy_.mutable_thresholds()) {
      if (!threshold.has_restore_score()) threshold.set_restore_score(0);
    }
  }
  CompletePolicy(options_.initial_policy, &policy_);
  for (const auto& learned : store.restored().signatures) signatures_.Restore(learned);
  for (const auto* learned : signatures_.All()) places_.OnSignature(learned->application(), learned->signature());
  for (const auto& receipt : store.restored().receipts) Teach(receipt, arbiter_);
  {
    // Nobody else is here yet; the lock says so to the compiler.
    absl::MutexLock lock(&mutex_);
    RestoreMigrations(store.restored());
    for (const auto& baseline : store.restored().baselines) drifts_.Restore(baseline, clock_.Now());
    for (const auto& episode : store.restored().drift_episodes) drifts_.Restore(episode);
    for (const auto& rollout : store.restored().rollouts) rollout_.Restore(rollout, MomentOf(clock_));
    for (const auto& block : store.restored().demand_blocks) retraining_.Restore(block, clock_.Now());
  }
  store.DropRestored();
  const absl::MutexLock lock(&home_->mutex);
  home_->core = this;
}

ControllerCore::~ControllerCore() {
  const absl::MutexLock lock(&home_->mutex);
  home_->core = nullptr;
}

uint64_t ControllerCore::OnOpened(std::shared_ptr<SessionSink> sink, std::optional<std::string> certified_host) {
  absl::MutexLock lock(&mutex_);
  ++counts_.sessions_opened;
  const uint64_t id = next_session_++;
  sessions_[id] = {std::move(sink), std::move(certified_host), clock_.Monotonic(), false};
  return id;
}

void ControllerCore::OnMessage(uint64_t id, v1::ConnectRequest request) {
  Pumps pumps;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = sessions_.find(id);
    if (it == sessions_.end()) return;
    Session& session = it->second;
    HostState* host = fleet_.OfSession(id);
    if (request.has_hello() && !session.said_hello) {
      OnHello(id, session, request.hello(), pumps);
    } else if (host == nullptr || request.has_hello()) {
      ++counts_.refused_by_reason["out_of_order"];
      Close(session,
            absl::InvalidArgumentError(session.said_hello ? "a stream says hello once"
                                                          : "the first message of a stream must be a hello"),
            pumps);
    } else if (request.ByteSizeLong() > options_.fleet.limits.message_bytes) {
      ++counts_.refused_by_reason["oversized"];
      // Refused, and still a sign of life.
      host->last_heard = MomentOf(clock_);
      TellRefusal(*host,
                  {"oversized", StrCat("it has ", request.ByteSizeLong(), " bytes; at most ",
                                       options_.fleet.limits.message_bytes, " are accepted (limits.message_mib)")});
      v1::ConnectResponse response;
      response.mutable_acknowledgement()->set_report_sequence(request.report().sequence());
      response.mutable_acknowledgement()->set_batch_id(request.receipts().batch_id());
      session.sink->Queue(std::move(response));
      pumps.push_back(session.sink);
    } else if (request.has_report()) {
      OnReport(session, *host, std::move(*request.mutable_report()), pumps);
    } else if (request.has_receipts()) {
      OnReceipts(session, *host, std::move(*request.mutable_receipts()), pumps);
    } else if (request.has_desired_set_result()) {
      OnResult(session, *host, request.desired_set_result(), pumps);
    } else if (request.has_model_request() || request.has_model_answer()) {
      OnModelMessage(session, *host, request, pumps);
    } else {
      ++counts_.refused_by_reason["missing_field"];
      TellRefusal(*host, {"missing_field", "a message without content"});
    }
  }
  PumpAll(pumps);
}

void ControllerCore::OnClosed(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  sessions_.erase(id);
  if (HostState* host = fleet_.OnClosed(id, MomentOf(clock_))) OnLost(*host, "its stream ended");
}

void ControllerCore::Close(Session& session, absl::Status status, Pumps& pumps) {
  session.sink->QueueClose(std::move(status));
  pumps.push_back(session.sink);
}

void ControllerCore::CloseAll(const absl::Status& status) {
  Pumps pumps;
  {
    absl::MutexLock lock(&mutex_);
    for (auto& [_, session] : sessions_) Close(session, status, pumps);
  }
  PumpAll(pumps);
}

void ControllerCore::OnLost(HostState& host, std::string_view why) {
  Entry& entry = entries_[host.name];
  if (entry.plan.troubled) --brake_.troubled_hosts;
  entry.plan.troubled = false;
  PublishPlaces(host);
  migrations_.OnLost(host.name, MomentOf(clock_));
  rollout_.OnLost(host.name, MomentOf(clock_));
  Tell(host.name, "", "host_disconnected",
       StrCat("host ", host.name, " is not connected any more: ", why, "; its leases end by themselves within ",
              absl::FormatDuration(ToDuration(policy_.lease_time_to_live()))));
}

void ControllerCore::OnHello(uint64_t id, Session& session, const v1::Hello& hello, Pumps& pumps) {
  const std::string& claimed = hello.inventory().host();
  if (session.certified_host.has_value() && *session.certified_host != claimed) {
    ++counts_.refused_by_reason["wrong_identity"];
    Tell("", "", "agent_refused",
         StrCat("an agent with a certificate for host \"", *session.certified_host, "\" claims to be host \"", claimed,
                "\" and was refused"));
    Close(session,
          absl::PermissionDeniedError(StrCat(
              "the certificate is for host \"", *session.certified_host, "\" and the agent says that it is host \"",
              claimed, "\"; issue a certificate for it with: trucectl certs issue DIR agent ", claimed)),
          pumps);
    return;
  }
  const absl::StatusOr<Fleet::Accepted> accepted = fleet_.OnHello(id, hello, MomentOf(clock_));
  if (!accepted.ok()) {
    Tell("", "", "agent_refused", std::string(accepted.status().message()));
    Close(session, accepted.status(), pumps);
    return;
  }
  session.said_hello = true;
  HostState& host = *accepted->host;
  if (const auto older = sessions_.find(accepted->replaced_session); older != sessions_.end()) {
    Tell(host.name, "", "session_replaced",
         StrCat("a newer connection of host ", host.name, " took the place of the older"));
    Close(older->second,
          absl::AbortedError(StrCat("a newer connection of host ", host.name, " took the place of this one")), pumps);
  }
  Tell(host.name, "", "host_connected",
       StrCat("host ", host.name, " connected: agent ", host.inventory.agent_version(), ", ",
              host.inventory.cpus_size(), " CPUs, mode ", ModeWord(host.agent_mode), " (at most ",
              ModeWord(host.mode_ceiling), "), holds ", hello.held_size(), " actions"));
  PublishPlaces(host);
  Entry& entry = entries_[host.name];
  if (hello.desired_set_version() > entry.version) {
    entry.version = hello.desired_set_version();
    entry.content.clear();
  }
  PlanContext context = Context(host);
  Record(Adopt(host, accepted->away, entry.plan, context));
  migrations_.OnStatuses(host.name, host.migrations, context.now);
  v1::ConnectResponse response;
  auto& welcome = *response.mutable_welcome();
  welcome.set_protocol_version(kProtocolVersion);
  welcome.set_controller_version(options_.version);
  session.sink->Queue(std::move(response));
  pumps.push_back(session.sink);
  FollowMigrations(pumps);
  // What it holds is renewed at once: a lease must not run out while the first report is on its way.
  SendDesired(host, true, pumps);
  rollout_.OnHello(host.name, hello.models(), MomentOf(clock_));
  OfferModel(host.name, pumps);
}

void ControllerCore::OnReport(Session& session, HostState& host, v1::Report report, Pumps& pumps) {
  const uint64_t sequence = report.sequence();
  if (auto refusal = fleet_.OnReport(host, std::move(report), MomentOf(clock_))) {
    TellRefusal(host, *refusal);
  } else {
    for (const auto& event : host.report.events()) Tell(host.name, event.workload(), event.kind(), event.message());
    TellLeftOut(host);
    Learn(host);
    PublishPlaces(host);
    migrations_.OnStatuses(host.name, host.migrations, MomentOf(clock_));
    move_receipts_.OnReport(host, MomentOf(clock_));
    FollowMigrations(pumps);
    if (options_.history) {
      MinuteHistory::Rows rows = history_.Add(host, clock_.Now());
      for (auto& row : rows.pairs) store_.Add(std::move(row));
      for (auto& row : rows.workloads) store_.Add(std::move(row));
    }
  }
  // A refused report is acknowledged too: the same one again would be refused again.
  v1::ConnectResponse response;
  response.mutable_acknowledgement()->set_report_sequence(sequence);
  session.sink->Queue(std::move(response));
  pumps.push_back(session.sink);
  PlanAndSend(host, true, pumps);
}

void ControllerCore::PublishPlaces(const HostState& host) {
  DriftOf drift_of;
  if (drifts_.drifting() > 0) {
    drift_of = [this, &host](std::string_view workload) {
      mutex_.AssertHeld();
      return drifts_.Status(host, workload, true);
    };
  }
  places_.OnHost(host, drift_of);
}

void ControllerCore::OnReceipts(Session& session, HostState& host, v1::ReceiptBatch batch, Pumps& pumps) {
  const uint64_t batch_id = batch.batch_id();
  const auto acknowledge = [batch_id] {
    v1::ConnectResponse response;
    response.mutable_acknowledgement()->set_batch_id(batch_id);
    return response;
  };
  if (auto refusal = fleet_.OnReceipts(batch)) {
    TellRefusal(host, *refusal);
    session.sink->Queue(acknowledge());
    pumps.push_back(session.sink);
    return;
  }
  Entry& entry = entries_[host.name];
  const std::string name = StrCat(batch_id, "/", std::hash<std::string>()(batch.SerializeAsString()));
  if (std::find(entry.seen_batches.begin(), entry.seen_batches.end(), name) == entry.seen_batches.end()) {
    entry.seen_batches.push_back(name);
    if (entry.seen_batches.size() > kSeenBatches) entry.seen_batches.pop_front();
    PlanContext context = Context(host);
    for (const auto& receipt : batch.receipts()) {
      ++counts_.receipts_by_outcome[std::string(OutcomeWord(receipt.outcome()))];
      Record(controller::OnReceipt(host, receipt, entry.plan, context));
    }
  }
  // Acknowledged when it is on disk; until then the agent keeps it and sends it again.
  std::weak_ptr<SessionSink> sink = session.sink;
  store_.AddReceipts(host.name, std::move(batch), [sink, acknowledge](const absl::Status& status) {
    const auto alive = sink.lock();
    if (!status.ok() || alive == nullptr) return;
    alive->Queue(acknowledge());
    alive->Pump();
  });
  SendDesired(host, false, pumps);
}

void ControllerCore::OnResult(Session&, HostState& host, const v1::DesiredSetResult& result, Pumps& pumps) {
  if (auto refusal = fleet_.OnResult(result)) {
    TellRefusal(host, *refusal);
    return;
  }
  Entry& entry = entries_[host.name];
  if (!result.accepted() && !result.reason().empty()) {
    Tell(host.name, "", "desired_set_refused",
         StrCat("host ", host.name, " refused desired set ", result.version(), ": ", result.reason()));
  }
  PlanContext context = Context(host);
  for (const auto& action : result.results()) Record(OnActionResult(host, action, entry.plan, context));
  SendDesired(host, false, pumps);
}

PlanContext ControllerCore::Context(const HostState& host) {
  brake_.connected_hosts = fleet_.connected_count();
  return {.policy = policy_,
          .brake = brake_,
          .arbiter = arbiter_,
          .next_decision_id = next_decision_id_,
          .lease_prefix = options_.instance,
          .hold = IsHeld(host.name),
          .now = MomentOf(clock_),
          .elsewhere = Elsewhere{fleet_, migrations_, holds_, places_}};
}

void ControllerCore::PlanAndSend(HostState& host, bool always, Pumps& pumps) {
  PlanContext context = Context(host);
  const absl::Duration start = clock_.Monotonic();
  std::vector<v1::Decision> decisions = PlanHost(host, entries_[host.name].plan, context);
  ++counts_.plans;
  counts_.plan_time += clock_.Monotonic() - start;
  const bool wished = !context.wishes.empty();
  FollowWishes(std::move(context.wishes), &decisions);
  Record(std::move(decisions));
  SendDesired(host, always, pumps);
  if (wished) FollowMigrations(pumps);
}

void ControllerCore::SendDesired(HostState& host, bool always, Pumps& pumps) {
  const auto session = sessions_.find(host.session);
  if (!host.connected || session == sessions_.end()) return;
  Entry& entry = entries_[host.name];
  v1::ConnectResponse response;
  v1::DesiredSet& desired = *response.mutable_desired_set();
  FillDesiredSet(host, entry.plan, policy_, IsHeld(host.name), &desired);
  migrations_.FillOrders(host.name, policy_, &desired);
  const Migrations& migrations = migrations_;
  migration_writes_.HoldBack(
      clock_.Monotonic(), [&migrations](const std::string& id) { return migrations.IsRecovering(id); },
      [&migrations](const std::string& id) { return migrations.Get(id) != nullptr; }, &desired);
  std::string content = desired.SerializeAsString();
  const bool changed = entry.version == 0 || content != entry.content;
  if (!changed && !always) return;
  if (changed) {
    ++entry.version;
    entry.content = std::move(content);
  }
  desired.set_version(entry.version);
  desired.set_nonce(StrCat(options_.instance, "-", next_nonce_++));
  ++counts_.desired_sets_sent;
  session->second.sink->Queue(std::move(response));
  pumps.push_back(session->second.sink);
}

void ControllerCore::PlanAll(Pumps& pumps) {
  for (auto& [_, host] : fleet_.hosts()) PlanAndSend(host, false, pumps);
}

void ControllerCore::Record(std::vector<v1::Decision> decisions) {
  for (auto& decision : decisions) {
    ++counts_.decisions_by_verdict[decision.verdict()];
    const std::string lever =
        decision.lever() == v1::LEVER_UNSPECIFIED ? std::string() : StrCat(LeverWord(decision.lever()), " ");
    spdlog::info("{} {}: {}{} for {}: {}", decision.host(), decision.verdict(), lever, decision.workload(),
                 decision.victim(), decision.reason());
    store_.Add(std::move(decision));
  }
}

void ControllerCore::Tell(std::string_view host, std::string_view workload, std::string_view kind,
                          std::string message) {
  v1::Event event;
  event.set_sequence(next_event_++);
  SetTime(clock_.Now(), event.mutable_occurred_at());
  event.set_host(std::string(host));
  event.set_workload(std::string(workload));
  event.set_kind(std::string(kind));
  event.set_message(std::move(message));
  ++counts_.events;
  spdlog::info("{}: {}", event.kind(), event.message());
  store_.Add(std::move(event));
}

void ControllerCore::TellRefusal(HostState& host, const Refusal& refusal) {
  Entry& entry = entries_[host.name];
  if (clock_.Monotonic() - entry.refusal_told_at < kTellAgain) return;
  entry.refusal_told_at = clock_.Monotonic();
  Tell(host.name, "", "message_refused",
       StrCat("a message of host ", host.name, " was refused: ", refusal.detail, " (further ones are only counted for ",
              absl::FormatDuration(kTellAgain), ")"));
}

void ControllerCore::TellLeftOut(const HostState& host) {
  Entry& entry = entries_[host.name];
  if (!host.left_out.has_value() || clock_.Monotonic() - entry.left_out_told_at < kTellLeftOutAgain) return;
  entry.left_out_told_at = clock_.Monotonic();
  Tell(host.name, "", "part_refused",
       StrCat("a part of a report of host ", host.name, " was left out: ", host.left_out->detail,
              "; install agent and controller of the same release (further ones are only counted for ",
              absl::FormatDuration(kTellLeftOutAgain), ")"));
}

void ControllerCore::Tick() {
  Pumps pumps;
  {
    absl::MutexLock lock(&mutex_);
    const Moment now = MomentOf(clock_);
    for (const auto& [host, id] : fleet_.DropSilent(now)) {
      OnLost(*host, absl::StrFormat("no report for %d intervals", options_.fleet.missed_report_limit));
      const auto it = sessions_.find(id);
      if (it == sessions_.end()) continue;
      Close(it->second,
            absl::DeadlineExceededError(
                StrCat("no report for ", options_.fleet.missed_report_limit, " intervals; connect again")),
            pumps);
    }
    for (auto& [_, session] : sessions_) {
      if (session.said_hello || now.monotonic - session.opened_at < options_.hello_timeout) continue;
      session.said_hello = true;  // closes once
      Close(session, absl::DeadlineExceededError("no hello"), pumps);
    }
    FollowMigrations(pumps);
    rollout_.Tick(now);
    FollowRollout();
    OfferDueModels(pumps);
    if (saves_->stored != saves_->begun && now.monotonic >= save_again_at_) (void)SaveState();
    StoreSignatures(now.monotonic);
    StoreDrifts();
    FollowRetraining();
    const StoreStatus store = store_.status();
    const uint64_t losses = store.dropped + store.failed;
    if (losses > store_losses_told_ && now.monotonic - store_told_at_ >= kTellAgain) {
      Tell("", "", "store_failed",
           StrCat(losses - store_losses_told_, " writes to the store were lost",
                  store.last_error.ok() ? std::string(" because its queue was full")
                                        : StrCat(": ", StdView(store.last_error.message()))));
      store_losses_told_ = losses;
      store_told_at_ = now.monotonic;
    }
  }
  PumpAll(pumps);
  FollowChallenger();
}

}  // namespace truce::controller
