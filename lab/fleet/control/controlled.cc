#include "lab/fleet/control/controlled.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab::fleet {
namespace {

constexpr double kGibi = 1 << 30;
// Of the newest, in a mean: as far back as a hundred reports.
constexpr double kNewest = 0.01;
// Of its flavour, what a workload uses of which nothing is known at all.
constexpr double kUnknownUse = 0.5;
// CPUs that each of the model's reference programs uses, as in the lab.
constexpr double kReferenceCores = 2;
// Longer than a step of the simulation takes.
constexpr int kReservationSeconds = 600;
constexpr uint32_t kScored = 32;
constexpr std::string_view kNamePrefix = "fleet.slice/workload-";

std::string WorkloadName(int64_t workload) {
  return StrCat(kNamePrefix, workload);
}

std::optional<int64_t> WorkloadOf(std::string_view name) {
  int64_t workload = 0;
  if (!name.starts_with(kNamePrefix) || !absl::SimpleAtoi(AbslView(name.substr(kNamePrefix.size())), &workload)) {
    return std::nullopt;
  }
  return workload;
}

std::string HostName(size_t host) {
  return absl::StrFormat("host-%05d", host);
}

std::string ApplicationName(int32_t application) {
  return StrCat("application-", application);
}

v1::WorkloadClass ClassOf(WorkloadClass workload_class) {
  switch (workload_class) {
    case WorkloadClass::kCritical:
      return v1::WORKLOAD_CLASS_CRITICAL;
    case WorkloadClass::kStandard:
      return v1::WORKLOAD_CLASS_STANDARD;
    case WorkloadClass::kBestEffort:
      return v1::WORKLOAD_CLASS_BEST_EFFORT;
  }
  return v1::WORKLOAD_CLASS_UNSPECIFIED;
}

v1::Hello MakeHello(size_t number, const HostFacts& host) {
  v1::Hello hello;
  hello.set_protocol_version(1);
  hello.set_mode(v1::MODE_OBSERVE);
  hello.set_mode_ceiling(v1::MODE_OBSERVE);
  hello.mutable_report_interval()->set_seconds(static_cast<int64_t>(kReportSeconds));
  v1::HostInventory& inventory = *hello.mutable_inventory();
  inventory.set_host(HostName(number));
  inventory.set_memory_bytes(static_cast<uint64_t>(host.memory_gib * kGibi));
  inventory.set_fault_domain(StrCat("domain-", host.domain));
  for (uint32_t i = 0; i < static_cast<uint32_t>(host.cpus); ++i) {
    v1::Cpu& cpu = *inventory.add_cpus();
    cpu.set_id(i);
    cpu.set_core(i);
  }
  return hello;
}

// What "if it used all of the host's CPUs" comes to when it uses so many. Through the CPU, effects are told as on one
// CPU; through anything else, as on this host.
double PartOf(size_t effect, const HostFacts& host, double cores) {
  constexpr size_t kCpu = 0;
  return effect == kCpu ? cores : cores / host.cpus;
}

}  // namespace

void Controlled::Seen::Add(double newest) {
  readings += 1;
  value += std::max(kNewest, 1 / readings) * (newest - value);
}

Controlled::Controlled(ControlledOptions options, std::unique_ptr<ControllerLink> link)
    : options_(std::move(options)), link_(std::move(link)), ledger_(options_.overcommit) {}

void Controlled::OnHosts(const std::vector<HostFacts>& hosts) {
  ledger_.SetHosts(hosts);
  reports_.resize(hosts.size());
  changed_.assign(hosts.size(), true);
  for (size_t host = 0; host < hosts.size(); ++host) {
    host_by_name_[HostName(host)] = host;
    Note(link_->Connect(MakeHello(host, hosts[host])));
  }
}

v1::Signature Controlled::Sign(const HostFacts& host, const Signature& said, double cores) {
  v1::Signature signature;
  signature.set_model_version("fleet");
  signature.add_embedding(1);
  signature.set_familiarity(1);
  for (size_t r = 0; r < kEffects; ++r) {
    v1::ResourceEffect& effect = *signature.add_resources();
    effect.set_resource(static_cast<v1::Resource>(v1::RESOURCE_CPU + static_cast<int>(r)));
    const double reference = PartOf(r, host, kReferenceCores);
    effect.set_usual_ratio(reference * said.usual[r]);
    double hurts = PartOf(r, host, cores) * said.hurts[r];
    double suffers = reference * said.suffers[r];
    hurts_[r].Add(hurts);
    suffers_[r].Add(suffers);
    if (options_.signatures == ControlledOptions::Signatures::kAverage) {
      hurts = hurts_[r].value;
      suffers = suffers_[r].value;
    }
    effect.set_hurts_ratio(hurts);
    effect.set_suffers_ratio(suffers);
  }
  return signature;
}

v1::WorkloadReport Controlled::Describe(const HostFacts& host, const Request& request, const WorkloadReport& said) {
  v1::WorkloadReport report;
  v1::Workload& workload = *report.mutable_workload();
  workload.set_name(WorkloadName(request.workload));
  workload.set_instance(static_cast<uint64_t>(request.workload) + 1);
  workload.set_kind("custom");
  workload.set_application(ApplicationName(request.application));
  workload.set_workload_class(ClassOf(request.workload_class));
  workload.add_allowed_levers(v1::LEVER_MIGRATE);
  workload.add_migration_drivers("qemu");
  report.mutable_readings()->set_cpu_usage_cores(said.cpu_cores);
  report.mutable_readings()->set_memory_usage_bytes(said.memory_gib * kGibi);
  report.mutable_fingerprint()->mutable_p95()->set_cpu_usage_cores(said.cpu_p95_cores);
  if (said.signature && options_.signatures != ControlledOptions::Signatures::kNone) {
    *report.mutable_signature() = Sign(host, *said.signature, said.cpu_p95_cores);
  }
  return report;
}

void Controlled::OnReport(const HostReport& report) {
  if (report.host == 0) link_->Elapse(absl::Seconds(kReportSeconds));
  v1::Report& last = reports_[report.host];
  last.clear_workloads();
  for (const WorkloadReport& said : report.workloads) {
    const Request* request = ledger_.Find(said.workload);
    if (request == nullptr) continue;
    const auto application = static_cast<size_t>(request->application);
    if (application >= used_.size()) used_.resize(application + 1);
    const double used = said.cpu_p95_cores / request->cpus;
    used_[application].Add(used);
    used_by_all_.Add(used);
    *last.add_workloads() = Describe(ledger_.hosts()[report.host], *request, said);
  }
  Send(report.host);
}

void Controlled::Send(size_t host) {
  v1::Report& report = reports_[host];
  report.set_sequence(report.sequence() + 1);
  changed_[host] = false;
  Note(link_->Report(host, report));
  // Told once.
  for (v1::WorkloadReport& workload : *report.mutable_workloads()) workload.clear_signature();
}

void Controlled::SendChanged() {
  for (size_t host = 0; host < changed_.size(); ++host) {
    if (changed_[host]) Send(host);
  }
}

void Controlled::OnArrival(const Request& request, size_t host) {
  ledger_.Add(request, host);
}

void Controlled::Drop(size_t host, int64_t workload) {
  auto& workloads = *reports_[host].mutable_workloads();
  const std::string name = WorkloadName(workload);
  const auto it = std::find_if(workloads.begin(), workloads.end(),
                               [&name](const v1::WorkloadReport& one) { return one.workload().name() == name; });
  if (it != workloads.end()) workloads.erase(it);
  changed_[host] = true;
}

void Controlled::OnMoved(const Move& move) {
  for (const v1::WorkloadReport& one : reports_[move.from].workloads()) {
    if (one.workload().name() == WorkloadName(move.workload)) *reports_[move.to].add_workloads() = one;
  }
  Drop(move.from, move.workload);
  changed_[move.to] = true;
  ledger_.Move(move.workload, move.to);
}

void Controlled::OnDeparture(int64_t workload) {
  if (ledger_.Find(workload) == nullptr) return;
  Drop(ledger_.HostOf(workload), workload);
  ledger_.Remove(workload);
}

v1::WorkloadDescription Controlled::Ask(const Request& request) const {
  v1::WorkloadDescription workload;
  const auto application = static_cast<size_t>(request.application);
  const Seen* used =
      application < used_.size() && used_[application].readings > 0 ? &used_[application] : &used_by_all_;
  workload.set_name(WorkloadName(request.workload));
  workload.set_application(ApplicationName(request.application));
  workload.set_workload_class(ClassOf(request.workload_class));
  workload.set_cpu_cores(request.cpus * (used->readings > 0 ? used->value : kUnknownUse));
  workload.set_memory_bytes(static_cast<uint64_t>(request.memory_gib * kGibi));
  return workload;
}

absl::StatusOr<size_t> Controlled::HostOf(const std::string& name) const {
  const auto it = host_by_name_.find(name);
  if (it != host_by_name_.end()) return it->second;
  return absl::InternalError(StrCat("the controller names host \"", name, "\", which is not there"));
}

absl::StatusOr<std::optional<size_t>> Controlled::Place(const Request& request) {
  SendChanged();
  TRUCE_RETURN_IF_ERROR(status_);
  v1::PlaceRequest question;
  *question.mutable_workload() = Ask(request);
  question.mutable_time_to_live()->set_seconds(kReservationSeconds);
  auto answer = link_->Place(question);
  if (absl::IsResourceExhausted(answer.status())) {
    // CPU time will be short wherever it goes; the rules of all policies still hold.
    question.mutable_workload()->set_cpu_cores(0);
    answer = link_->Place(question);
  }
  if (absl::IsResourceExhausted(answer.status())) return std::optional<size_t>();
  TRUCE_RETURN_IF_ERROR(answer.status());
  TRUCE_ASSIGN_OR_RETURN(const size_t host, HostOf(answer->chosen().host()));
  if (ledger_.Fits(request, host)) return std::optional<size_t>(host);
  v1::ReleaseRequest release;
  release.set_reservation_id(answer->reservation_id());
  TRUCE_RETURN_IF_ERROR(link_->Release(release).status());
  return PlaceByRules(request, question.workload());
}

absl::StatusOr<std::optional<size_t>> Controlled::PlaceByRules(const Request& request,
                                                               const v1::WorkloadDescription& description) {
  v1::ScoreHostsRequest question;
  *question.mutable_workload() = description;
  // Most often one of the best will do.
  for (const uint32_t limit : {kScored, 0U}) {
    question.set_limit(limit);
    TRUCE_ASSIGN_OR_RETURN(const v1::ScoreHostsResponse scores, link_->ScoreHosts(question));
    for (const v1::HostScore& score : scores.hosts()) {
      TRUCE_ASSIGN_OR_RETURN(const size_t host, HostOf(score.host()));
      if (!score.fits() || !ledger_.Fits(request, host)) continue;
      v1::ReserveRequest reserve;
      *reserve.mutable_workload() = description;
      reserve.set_host(score.host());
      reserve.mutable_time_to_live()->set_seconds(kReservationSeconds);
      TRUCE_RETURN_IF_ERROR(link_->Reserve(reserve).status());
      return std::optional<size_t>(host);
    }
  }
  return std::optional<size_t>();
}

absl::StatusOr<std::vector<Move>> Controlled::Rebalance(const MoveBudget& budget) {
  std::vector<Move> moves;
  if (!options_.rebalances || budget.most_moves <= 0) return moves;
  SendChanged();
  TRUCE_RETURN_IF_ERROR(status_);
  TRUCE_ASSIGN_OR_RETURN(const v1::Advice advice, link_->Advise(budget.most_moves));
  Ledger then = ledger_;
  for (const v1::AdvisedMove& advised : advice.moves()) {
    const std::optional<int64_t> workload = WorkloadOf(advised.workload());
    TRUCE_ASSIGN_OR_RETURN(const size_t to, HostOf(advised.target_host()));
    if (!workload || then.Find(*workload) == nullptr) {
      return absl::InternalError(StrCat("the controller advises to move ", advised.workload(), ", which is not there"));
    }
    // The controller doesn't know the rules of this fleet; what waited for a move that was left out is left out, too.
    if (!then.MayMove(*workload, to)) continue;
    moves.push_back({*workload, then.HostOf(*workload), to});
    then.Move(*workload, to);
    if (std::ssize(moves) == budget.most_moves) break;
  }
  return moves;
}

}  // namespace truce::lab::fleet
