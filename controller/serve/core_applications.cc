// ControllerCore's part that knows applications: it learns them from reports, has them stored and lists them.
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "controller/serve/core.h"
#include "controller/serve/views.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr absl::Duration kStoreSignatures = absl::Minutes(1);
// Copied under the lock and written as one transaction; what is beyond goes with the next tick.
constexpr size_t kStoredAtOnce = 1'000;
constexpr size_t kResemblances = 5;
// A baseline is some 15 kB of text.
constexpr size_t kBaselinesAtOnce = 50;
// All are compared with all up to so many, as that grows with the square; beyond, only one that is asked for by name.
constexpr size_t kComparedApplications = 500;

using Applications = std::map<std::string, v1::ApplicationStatus>;

// Adds what runs on one more host of the application `only`, or (empty) of all. What a host that is gone last reported
// runs no more, as far as anybody knows.
void Count(const HostState& host, const std::string& only, Applications* applications) {
  if (!host.connected) return;
  for (const auto& report : host.report.workloads()) {
    const std::string& application = report.workload().application();
    if (application.empty() || (!only.empty() && application != only)) continue;
    v1::ApplicationStatus& status = (*applications)[application];
    status.set_workload_count(status.workload_count() + 1);
    if (status.hosts().empty() || *status.hosts().rbegin() != host.name) status.add_hosts(host.name);
  }
}

}  // namespace

void ControllerCore::Learn(const HostState& host) {
  for (const auto& report : host.report.workloads()) {
    const std::string& application = report.workload().application();
    if (!report.has_signature() || application.empty()) continue;
    signatures_.Learn(host.name, application, report.signature(), clock_.Now());
    places_.OnSignature(application, signatures_.Find(application)->signature());
  }
  for (const auto& errors : host.report.forecast_errors()) {
    live_errors_.Observe(errors, clock_.Now());
    rollout_.Observe(host.name, errors, MomentOf(clock_));
  }
  for (auto& news : drifts_.Observe(host, MomentOf(clock_))) {
    Tell(host.name, news.workload, news.kind, std::move(news.message));
  }
  retraining_.Observe(host, MomentOf(clock_));
}

void ControllerCore::StoreSignatures(absl::Duration now) {
  if (now < store_signatures_at_) return;
  std::vector<v1::ApplicationSignature> learned = signatures_.TakeDirty(kStoredAtOnce);
  store_signatures_at_ = learned.size() < kStoredAtOnce ? now + kStoreSignatures : now;
  // What the store has no room for is stored once more is learned of it.
  if (!learned.empty()) store_.Add(std::move(learned));
}

void ControllerCore::StoreDrifts() {
  auto baselines = drifts_.TakeBaselines(MomentOf(clock_), kBaselinesAtOnce);
  auto episodes = drifts_.TakeEpisodes();
  // What the store has no room for is stored once it has changed again.
  if (!baselines.empty() || !episodes.empty()) store_.AddDrifts(std::move(baselines), std::move(episodes));
}

void ControllerCore::FollowRetraining() {
  auto blocks = retraining_.TakeBlocks();
  // What the store has no room for is missing after a restart.
  if (!blocks.empty()) store_.AddDemand(std::move(blocks));
  if (live_errors_.AnyHasRisen()) retraining_.OnErrorRose(clock_.Monotonic());
  if (auto news = retraining_.Follow(clock_.Monotonic())) Tell("", "", news->kind, std::move(news->message));
}

absl::StatusOr<v1::ListApplicationsResponse> ControllerCore::ListApplications(
    const v1::ListApplicationsRequest& request) {
  const std::string& query = request.application();
  Applications applications;
  Signatures signatures;
  {
    absl::MutexLock lock(&mutex_);
    for (const HostState* host : HostsFor("")) Count(*host, query, &applications);
    signatures = signatures_;
  }
  // Without the lock: comparing takes long, and no stream may wait for it.
  for (const auto* learned : signatures.All()) {
    const std::string& name = learned->application();
    if (query.empty() || name == query) *applications[name].mutable_learned() = *learned;
  }
  if (!query.empty() && applications.empty()) return NoSuchApplication(query);
  const bool compare = !query.empty() || signatures.size() <= kComparedApplications;
  v1::ListApplicationsResponse response;
  for (auto& [name, status] : applications) {
    status.set_application(name);
    if (compare) {
      for (auto& like : signatures.Resembling(name, kResemblances)) *status.add_resembles() = std::move(like);
    }
    *response.add_applications() = std::move(status);
  }
  return response;
}

absl::Status ControllerCore::NoSuchApplication(const std::string& query) {
  Applications known;
  {
    absl::MutexLock lock(&mutex_);
    for (const HostState* host : HostsFor("")) Count(*host, "", &known);
    for (const auto* learned : signatures_.All()) known.try_emplace(learned->application());
  }
  std::vector<std::string> names;
  for (const auto& [name, _] : known) {
    if (absl::StrContains(absl::AsciiStrToLower(name), absl::AsciiStrToLower(query))) names.push_back(name);
  }
  const std::string candidates = Candidates(std::move(names));
  return absl::NotFoundError(StrCat("no application is named \"", query, "\"",
                                    candidates.empty() ? std::string("; trucectl get applications lists them, and "
                                                                     "discovery.rules of the agents name them")
                                                       : StrCat("; did you mean: ", candidates)));
}

}  // namespace truce::controller
