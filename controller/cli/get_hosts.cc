// trucectl get hosts [NAME]
#include "controller/cli/rows.h"
#include "controller/cli/view.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

absl::StatusOr<View> Fetch(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  v1::ListHostsRequest request;
  request.set_host(session.options().name);
  TRUCE_ASSIGN_OR_RETURN(v1::ListHostsResponse response, controller->ListHosts(request));
  Table table({{"NAME", Align::kLeft, false, true},
               {"STATUS"},
               {"MODE"},
               {"WORKLOADS", Align::kRight},
               {"ACTIONS", Align::kRight},
               {"WORST", Align::kRight},
               {"CPU", Align::kRight},
               {"REPORT", Align::kRight},
               {"CEILING", Align::kLeft, true},
               {"CPUS", Align::kRight, true},
               {"MEMORY", Align::kRight, true},
               {"CGROUPS", Align::kLeft, true},
               {"PMU", Align::kLeft, true},
               {"MISSING", Align::kLeft, true},
               {"AGENT-CPU", Align::kRight, true},
               {"AGENT-MEMORY", Align::kRight, true},
               {"KERNEL", Align::kLeft, true},
               {"VERSION", Align::kLeft, true},
               {"AGE", Align::kRight}});
  std::vector<std::string> names;
  for (const v1::HostStatus& host : response.hosts()) {
    const v1::HostInventory& inventory = host.inventory();
    names.push_back(inventory.host());
    std::string missing;
    for (const auto& capability : inventory.missing())
      StrAppend(&missing, missing.empty() ? "" : ",", capability.name());
    table.AddRow({inventory.host(), HostState(host), EnumCell(host.mode()), StrCat(host.workload_count()),
                  StrCat(host.action_count()), FormatNumber(host.worst_score(), 0),
                  host.has_cpu_busy_ratio() ? FormatRatio(host.cpu_busy_ratio()) : "-",
                  FormatAge(session.Now(), host.last_report(), host.has_last_report()), EnumCell(host.mode_ceiling()),
                  StrCat(inventory.cpus_size()), FormatBytes(static_cast<double>(inventory.memory_bytes())),
                  EnumCell(inventory.cgroup_layout()), inventory.pmu().available() ? host.cost().pmu_level() : "none",
                  missing, host.has_cost() ? FormatNumber(host.cost().cpu_cores(), 3) : "-",
                  host.has_cost() ? FormatBytes(static_cast<double>(host.cost().resident_bytes())) : "-",
                  inventory.kernel_release(), inventory.agent_version(),
                  FormatAge(session.Now(), host.first_seen(), host.has_first_seen())});
  }
  const std::string nothing = request.host().empty() ? "no hosts: no agent has connected to this controller yet"
                                                     : StrCat("no host named ", request.host());
  return TableView(std::move(response), std::move(table), std::move(names), nothing);
}

}  // namespace

absl::Status GetHosts(Session& session) {
  return Show(session, Fetch);
}

}  // namespace truce::cli
