// trucectl top hosts|workloads: who uses most, heaviest first.
#include <algorithm>
#include <vector>

#include "controller/cli/rows.h"
#include "controller/cli/view.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

absl::StatusOr<View> FetchHosts(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  TRUCE_ASSIGN_OR_RETURN(v1::ListHostsResponse response, controller->ListHosts({}));
  std::stable_sort(
      response.mutable_hosts()->begin(), response.mutable_hosts()->end(),
      [](const v1::HostStatus& a, const v1::HostStatus& b) { return a.cpu_busy_ratio() > b.cpu_busy_ratio(); });
  Table table({{"NAME", Align::kLeft, false, true},
               {"CPU", Align::kRight},
               {"WORST", Align::kRight},
               {"WORKLOADS", Align::kRight},
               {"ACTIONS", Align::kRight},
               {"AGENT-CPU", Align::kRight},
               {"AGENT-MEMORY", Align::kRight},
               {"PMU"},
               {"PMU-COST", Align::kRight},
               {"REPORT", Align::kRight},
               {"AGE", Align::kRight}});
  std::vector<std::string> names;
  for (const v1::HostStatus& host : response.hosts()) {
    names.push_back(host.inventory().host());
    const v1::AgentCost& cost = host.cost();
    table.AddRow({names.back(), host.has_cpu_busy_ratio() ? FormatRatio(host.cpu_busy_ratio()) : "-",
                  FormatNumber(host.worst_score(), 0), StrCat(host.workload_count()), StrCat(host.action_count()),
                  host.has_cost() ? FormatNumber(cost.cpu_cores(), 3) : "-",
                  host.has_cost() ? FormatBytes(static_cast<double>(cost.resident_bytes())) : "-", cost.pmu_level(),
                  host.has_cost() ? FormatRatio(cost.pmu_overhead_ratio()) : "-",
                  FormatAge(session.Now(), host.last_report(), host.has_last_report()),
                  FormatAge(session.Now(), host.first_seen(), host.has_first_seen())});
  }
  return TableView(std::move(response), std::move(table), std::move(names), "no hosts");
}

absl::StatusOr<View> FetchWorkloads(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  v1::ListWorkloadsRequest request;
  request.set_host(session.options().host);
  TRUCE_ASSIGN_OR_RETURN(v1::ListWorkloadsResponse response, controller->ListWorkloads(request));
  std::stable_sort(response.mutable_workloads()->begin(), response.mutable_workloads()->end(),
                   [](const v1::WorkloadStatus& a, const v1::WorkloadStatus& b) {
                     return a.report().readings().cpu_usage_cores() > b.report().readings().cpu_usage_cores();
                   });
  Table table({{"NAME", Align::kLeft, false, true},
               {"HOST", Align::kLeft, false, true},
               {"CPU", Align::kRight},
               {"WAIT", Align::kRight},
               {"THROTTLED", Align::kRight},
               {"MEMORY", Align::kRight},
               {"READ", Align::kRight},
               {"WRITE", Align::kRight},
               {"CPI", Align::kRight},
               {"DRAM", Align::kRight},
               {"WORST", Align::kRight},
               {"RISK", Align::kRight},
               {"RECEIVE", Align::kRight, true},
               {"TRANSMIT", Align::kRight, true},
               {"MPKI", Align::kRight, true},
               {"TASKS", Align::kRight, true},
               {"AGE", Align::kRight}});
  std::vector<std::string> names;
  for (const v1::WorkloadStatus& status : response.workloads()) {
    const v1::Workload& workload = status.report().workload();
    const v1::Readings& now = status.report().readings();
    names.push_back(workload.name());
    const auto cell = [](std::string_view name, bool has, double value) { return ReadingCell(name, has, value); };
    table.AddRow(
        {workload.name(), status.host(), cell("cpu_usage_cores", now.has_cpu_usage_cores(), now.cpu_usage_cores()),
         cell("run_queue_wait_ratio", now.has_run_queue_wait_ratio(), now.run_queue_wait_ratio()),
         cell("cpu_throttled_ratio", now.has_cpu_throttled_ratio(), now.cpu_throttled_ratio()),
         cell("memory_usage_bytes", now.has_memory_usage_bytes(), now.memory_usage_bytes()),
         cell("disk_read_bytes_per_second", now.has_disk_read_bytes_per_second(), now.disk_read_bytes_per_second()),
         cell("disk_write_bytes_per_second", now.has_disk_write_bytes_per_second(), now.disk_write_bytes_per_second()),
         cell("cycles_per_instruction", now.has_cycles_per_instruction(), now.cycles_per_instruction()),
         cell("dram_fill_bytes_per_second", now.has_dram_fill_bytes_per_second(), now.dram_fill_bytes_per_second()),
         FormatNumber(status.worst_score_as_victim(), 0), FormatRatio(status.risk()),
         cell("network_receive_bytes_per_second", now.has_network_receive_bytes_per_second(),
              now.network_receive_bytes_per_second()),
         cell("network_transmit_bytes_per_second", now.has_network_transmit_bytes_per_second(),
              now.network_transmit_bytes_per_second()),
         cell("llc_misses_per_kilo_instruction", now.has_llc_misses_per_kilo_instruction(),
              now.llc_misses_per_kilo_instruction()),
         now.has_task_count() ? FormatNumber(now.task_count(), 0) : "-",
         FormatAge(session.Now(), workload.first_seen(), workload.has_first_seen())});
  }
  return TableView(std::move(response), std::move(table), std::move(names), "no workloads");
}

}  // namespace

absl::Status TopHosts(Session& session) {
  return Show(session, FetchHosts);
}
absl::Status TopWorkloads(Session& session) {
  return Show(session, FetchWorkloads);
}

}  // namespace truce::cli
