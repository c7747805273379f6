// trucectl describe host|workload NAME: everything that is known of one thing.
#include <algorithm>
#include <functional>
#include <optional>

#include "absl/strings/str_join.h"
#include "controller/cli/rows.h"
#include "controller/cli/view.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

Section HostFacts(const v1::HostStatus& host, absl::Time now) {
  const v1::HostInventory& inventory = host.inventory();
  Section section;
  section.lines = {
      Fact("Host", inventory.host()),
      Fact("Status", HostState(host).text),
      Fact("Mode", StrCat(EnumCell(host.mode()), " (ceiling ", EnumCell(host.mode_ceiling()), ")")),
      Fact("First seen", FormatAge(now, host.first_seen(), host.has_first_seen()) + " ago"),
      Fact("Last report", FormatAge(now, host.last_report(), host.has_last_report()) + " ago"),
      Fact("CPU busy", host.has_cpu_busy_ratio() ? FormatRatio(host.cpu_busy_ratio()) : "not known"),
      Fact("Workloads", StrCat(host.workload_count())),
      Fact("Worst score", FormatNumber(host.worst_score(), 0)),
      Fact("Actions", StrCat(host.action_count())),
      Fact("CPU model", inventory.cpu_model()),
      Fact("CPUs", StrCat(inventory.cpus_size())),
      Fact("Memory", FormatBytes(static_cast<double>(inventory.memory_bytes()))),
      Fact("Kernel", inventory.kernel_release()),
      Fact("Cgroups", EnumCell(inventory.cgroup_layout())),
      Fact("Agent", StrCat("version ", inventory.agent_version(), ", ", FormatNumber(host.cost().cpu_cores(), 3),
                           " cores, ", FormatBytes(static_cast<double>(host.cost().resident_bytes())), " resident")),
      Fact("PMU", inventory.pmu().available()
                      ? StrCat(inventory.pmu().model(), ", ", host.cost().pmu_level(), ", on ",
                               FormatRatio(host.cost().pmu_duty_ratio()), " of the time, costs ",
                               FormatRatio(host.cost().pmu_overhead_ratio()))
                      : "not available"),
  };
  return section;
}

// What a disk does: reads, then writes.
std::string DirectionsCell(const v1::DeviceHeadroom& disk,
                           const std::function<std::string(const v1::DirectionLoad&)>& cell) {
  return StrCat(cell(disk.read()), " / ", cell(disk.write()));
}

std::string MillisecondsCell(bool known, double seconds) {
  return known ? FormatNumber(seconds * 1e3, 2) : "-";
}

// "2.5x (1.9-3.3)": the factor, and between which it lies four times out of five.
std::string FactorCell(bool known, const v1::LoadFactor& factor) {
  if (!known) return "-";
  return StrCat(FormatNumber(factor.factor(), 1), "x (", FormatNumber(factor.low_factor(), 1), "-",
                FormatNumber(factor.high_factor(), 1), ")");
}

// How much more each disk would take, until the 99th percentile of its latency has doubled.
Table HeadroomTable(const v1::HostStatus& host) {
  Table table({{"NAME"},
               {"KNOWN"},
               {"OPS/S R/W", Align::kRight},
               {"BYTES/S R/W", Align::kRight},
               {"MEAN MS R/W", Align::kRight},
               {"P99 MS R/W", Align::kRight},
               {"USED", Align::kRight},
               {"DOUBLES UNLOADED", Align::kRight},
               {"DOUBLES NOW", Align::kRight}});
  for (const v1::DeviceHeadroom& disk : host.devices()) {
    table.AddRow(
        {disk.name(), EnumCell(disk.knowledge()),
         DirectionsCell(disk, [](const auto& one) { return FormatNumber(one.operations_per_second(), 0); }),
         DirectionsCell(disk, [](const auto& one) { return FormatBytes(one.bytes_per_second()); }),
         DirectionsCell(disk,
                        [](const auto& one) { return MillisecondsCell(one.has_mean_seconds(), one.mean_seconds()); }),
         DirectionsCell(disk,
                        [](const auto& one) {
                          return MillisecondsCell(one.has_expected_p99_seconds(), one.expected_p99_seconds());
                        }),
         disk.has_utilisation_ratio() ? FormatRatio(disk.utilisation_ratio()) : "-",
         FactorCell(disk.has_until_doubled_unloaded(), disk.until_doubled_unloaded()),
         FactorCell(disk.has_until_doubled_now(), disk.until_doubled_now())});
  }
  return table;
}

absl::StatusOr<View> FetchHost(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  v1::ListHostsRequest request;
  request.set_host(session.options().name);
  TRUCE_ASSIGN_OR_RETURN(v1::ListHostsResponse response, controller->ListHosts(request));
  if (response.hosts().empty()) {
    return absl::NotFoundError(
        StrCat("no host named ", request.host(), "; trucectl get hosts lists those that the controller knows"));
  }
  v1::ListActionsRequest actions_request;
  actions_request.set_host(request.host());
  TRUCE_ASSIGN_OR_RETURN(const v1::ListActionsResponse actions, controller->ListActions(actions_request));
  View view;
  for (const v1::HostStatus& host : response.hosts()) {
    view.names.push_back(host.inventory().host());
    view.sections.push_back(HostFacts(host, session.Now()));
    Table disks({{"NAME"}, {"DEVICE"}, {"SIZE", Align::kRight}, {"KIND"}});
    for (const v1::Disk& disk : host.inventory().disks()) {
      disks.AddRow({disk.name(), disk.device(), FormatBytes(static_cast<double>(disk.size_bytes())),
                    disk.rotational() ? "rotational" : "solid state"});
    }
    if (!disks.empty()) view.sections.push_back({.title = "Disks", .table = std::move(disks)});
    Table headroom = HeadroomTable(host);
    if (!headroom.empty()) view.sections.push_back({.title = "Headroom of disks", .table = std::move(headroom)});
    Section missing{.title = "Missing on this host"};
    for (const v1::MissingCapability& capability : host.inventory().missing()) {
      missing.lines.push_back(StrCat("  ", capability.name(), ": ", capability.reason(),
                                     capability.remedy().empty() ? "" : "; ", capability.remedy()));
    }
    if (!missing.lines.empty()) view.sections.push_back(std::move(missing));
  }
  if (!actions.actions().empty()) {
    view.sections.push_back({.title = "Actions", .table = ActionTable(actions.actions(), session.Now())});
  }
  view.message = std::make_shared<v1::ListHostsResponse>(std::move(response));
  return view;
}

// One row for each reading that is there: now, and what its window says.
Table ReadingsTable(const v1::WorkloadReport& report) {
  Table table({{"READING"},
               {"NOW", Align::kRight},
               {"MEAN", Align::kRight},
               {"P95", Align::kRight},
               {"BASELINE", Align::kRight},
               {"DEVIATION", Align::kRight}});
  const v1::FingerprintSummary& window = report.fingerprint();
  const auto* type = v1::Readings::descriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const auto* field = type->field(i);
    bool any = false;
    std::vector<Cell> row = {field->name()};
    for (const v1::Readings* readings :
         {&report.readings(), &window.mean(), &window.p95(), &window.baseline_mean(), &window.baseline_stddev()}) {
      const bool has = readings->GetReflection()->HasField(*readings, field);
      any = any || has;
      row.push_back(ReadingCell(field->name(), has, readings->GetReflection()->GetDouble(*readings, field)));
    }
    if (any) table.AddRow(std::move(row));
  }
  return table;
}

// What its application resembles, by what was learned of that. An answer that fails only leaves the line open.
std::string Resembling(OperatorClient& controller, const std::string& application) {
  v1::ListApplicationsRequest request;
  request.set_application(application);
  if (application.empty()) return "not known";
  const absl::StatusOr<v1::ListApplicationsResponse> response = controller.ListApplications(request);
  if (!response.ok() || response->applications().empty()) return "not known";
  std::vector<std::string> names;
  for (const v1::Resemblance& one : Resemblances(response->applications(0))) names.push_back(ResemblanceCell(one));
  if (names.empty()) return "not known";
  names.resize(std::min<size_t>(names.size(), 3));
  return absl::StrJoin(names, ", ");
}

// Nothing is said of what it resembles without `resembling`.
Section WorkloadFacts(const v1::WorkloadStatus& status, const std::optional<std::string>& resembling, absl::Time now) {
  const v1::WorkloadReport& report = status.report();
  const v1::Workload& workload = report.workload();
  std::vector<std::string> levers;
  for (const int lever : workload.allowed_levers()) levers.push_back(EnumCell(static_cast<v1::Lever>(lever)));
  Section section;
  section.lines = {
      Fact("Workload", workload.name()),
      Fact("Host", status.host()),
      Fact("Kind", workload.kind()),
      Fact("Application", workload.application()),
      Fact("Tenant", workload.tenant()),
      Fact("Class", StrCat(EnumCell(workload.workload_class()), ", priority ", workload.priority())),
      Fact("Mode", EnumCell(workload.mode())),
      Fact("Levers", levers.empty() ? "none allowed" : absl::StrJoin(levers, ", ")),
      Fact("First seen", FormatAge(now, workload.first_seen(), workload.has_first_seen()) + " ago"),
      Fact("Diagnosis", report.diagnosis_detail().empty()
                            ? DiagnosisCell(report.diagnosis()).text
                            : StrCat(DiagnosisCell(report.diagnosis()).text, ": ", report.diagnosis_detail())),
      Fact("Slowdown", report.has_slowdown_ratio() ? FormatRatio(report.slowdown_ratio()) : "not known"),
      Fact("Worst score", status.worst_aggressor().empty() ? FormatNumber(status.worst_score_as_victim(), 0)
                                                           : StrCat(FormatNumber(status.worst_score_as_victim(), 0),
                                                                    " from ", status.worst_aggressor())),
      Fact("Risk", FormatRatio(status.risk())),
  };
  if (resembling.has_value()) section.lines.push_back(Fact("Resembles", *resembling));
  if (!status.migration().empty()) section.lines.push_back(Fact("Migration", status.migration()));
  return section;
}

// Whether it keeps to its ways, by how much it has left them and which way, and what followed when others did.
std::vector<Section> DriftSections(const v1::WorkloadStatus& status, absl::Time now) {
  if (!status.has_drift()) return {};
  const v1::DriftStatus& drift = status.drift();
  std::vector<Section> sections;
  Section facts{.title = "Drift"};
  if (!drift.drifting()) {
    facts.lines.push_back(StrCat("  none; its ways were learned from ", drift.learned_count(), " reports"));
    sections.push_back(std::move(facts));
    return sections;
  }
  facts.lines.push_back(StrCat("  magnitude ", FormatNumber(drift.magnitude(), 1), ", since ",
                               FormatAge(now, drift.began_at(), drift.has_began_at())));
  Table shifts({{"TRAIT"}, {"USUAL", Align::kRight}, {"NOW", Align::kRight}, {"DEVIATION", Align::kRight}});
  for (const v1::TraitShift& shift : drift.shifts()) {
    shifts.AddRow({shift.trait(), FormatNumber(shift.usual(), 3), FormatNumber(shift.now(), 3),
                   FormatNumber(shift.deviation(), 1)});
  }
  facts.table = std::move(shifts);
  sections.push_back(std::move(facts));
  Table near({{"APPLICATION"}, {"WORKLOAD"}, {"HOST"}, {"DISTANCE", Align::kRight}, {"AGE", Align::kRight}});
  for (const v1::NearEpisode& one : drift.nearest()) {
    near.AddRow({one.episode().application(), one.episode().workload(), one.episode().host(),
                 FormatNumber(one.distance(), 2),
                 FormatAge(now, one.episode().detected_at(), one.episode().has_detected_at())});
  }
  if (!near.empty()) sections.push_back({.title = "Nearest earlier drifts", .table = std::move(near)});
  Table next({{"DEMAND"}, {"AFTER", Align::kRight}, {"INCREASE", Align::kRight}, {"ROOM FOR", Align::kRight}});
  for (const v1::PredictedIncrease& one : drift.predictions()) {
    next.AddRow({one.demand(), StrCat(one.after().seconds() / 60, "m"), FormatRatio(one.increase_factor()),
                 one.has_damped_increase_factor() ? FormatRatio(one.damped_increase_factor()) : "not known"});
  }
  if (!next.empty()) sections.push_back({.title = "What their demand did next", .table = std::move(next)});
  return sections;
}

std::string DemandCell(v1::Resource resource, double amount) {
  if (resource == v1::RESOURCE_CPU) return FormatNumber(amount, 2);
  return FormatBytes(amount) + (resource == v1::RESOURCE_MEMORY ? "" : "/s");
}

// What it will need: the forecast and its band at each time ahead, and what is set aside.
std::vector<Section> DemandSections(const v1::WorkloadStatus& status, absl::Time now) {
  std::vector<Section> sections;
  for (const v1::DemandStatus& demand : status.demands()) {
    const v1::DemandForecast& forecast = demand.forecast();
    const auto cell = [&](double amount) { return DemandCell(forecast.resource(), amount); };
    Section section{.title = StrCat("Forecast of ", EnumCell(forecast.resource()))};
    section.lines.push_back(StrCat("  now ", cell(forecast.newest()), ", foretold ",
                                   FormatAge(now, forecast.made_at(), forecast.has_made_at()), " ago, anomaly ",
                                   FormatNumber(forecast.anomaly_score_ratio(), 2),
                                   forecast.has_widened_for() ? "; it left its band lately" : ""));
    section.lines.push_back(StrCat("  set aside: ", cell(demand.adjusted_demand()), " (", demand.detail(), ")"));
    Table table({{"AHEAD", Align::kRight},
                 {"P50", Align::kRight},
                 {"P90", Align::kRight},
                 {"P95", Align::kRight},
                 {"P99", Align::kRight},
                 {"PEAK P95", Align::kRight}});
    for (int h = 0; h < forecast.ahead_seconds_size(); ++h) {
      table.AddRow({absl::FormatDuration(absl::Seconds(forecast.ahead_seconds(h))), cell(forecast.p50(h)),
                    cell(forecast.p90(h)), cell(forecast.p95(h)), cell(forecast.p99(h)), cell(forecast.peak_p95(h))});
    }
    section.table = std::move(table);
    sections.push_back(std::move(section));
  }
  for (const v1::BurstForecast& burst : status.report().bursts()) {
    sections.push_back(
        {.title = "Burst",
         .lines = {StrCat("  of ", DemandCell(burst.resource(), burst.peak()),
                          burst.begins_in().seconds() > 0 ? StrCat(", in ", burst.begins_in().seconds(), "s") : ", now",
                          ", every ", burst.period().seconds(), "s as the last ", burst.seen_count())}});
  }
  return sections;
}

absl::StatusOr<View> FetchWorkload(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  v1::ListWorkloadsRequest request;
  request.set_host(session.options().host);
  request.set_workload(session.options().name);
  TRUCE_ASSIGN_OR_RETURN(v1::ListWorkloadsResponse response, controller->ListWorkloads(request));
  if (response.workloads().empty()) {
    return absl::NotFoundError(StrCat("no workload named ", request.workload(),
                                      request.host().empty() ? "" : " on host ", request.host(),
                                      "; trucectl get workloads lists those that the controller knows"));
  }
  // One more call at most: workloads of several applications go without what each resembles.
  const std::string& application = response.workloads(0).report().workload().application();
  const bool is_one = std::all_of(
      response.workloads().begin(), response.workloads().end(),
      [&application](const v1::WorkloadStatus& one) { return one.report().workload().application() == application; });
  std::optional<std::string> resembling;
  if (is_one) resembling = Resembling(*controller, application);
  View view;
  for (const v1::WorkloadStatus& status : response.workloads()) {
    view.names.push_back(status.report().workload().name());
    view.sections.push_back(WorkloadFacts(status, resembling, session.Now()));
    for (Section& section : DemandSections(status, session.Now())) view.sections.push_back(std::move(section));
    for (Section& section : DriftSections(status, session.Now())) view.sections.push_back(std::move(section));
    Table readings = ReadingsTable(status.report());
    if (!readings.empty()) view.sections.push_back({.title = "Readings", .table = std::move(readings)});
    if (!status.actions().empty()) {
      view.sections.push_back({.title = "Actions", .table = ActionTable(status.actions(), session.Now())});
    }
  }
  view.message = std::make_shared<v1::ListWorkloadsResponse>(std::move(response));
  return view;
}

}  // namespace

absl::Status DescribeHost(Session& session) {
  return Show(session, FetchHost);
}
absl::Status DescribeWorkload(Session& session) {
  return Show(session, FetchWorkload);
}

}  // namespace truce::cli
