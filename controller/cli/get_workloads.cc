// trucectl get workloads [NAME]
#include "controller/cli/rows.h"
#include "controller/cli/view.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

absl::StatusOr<View> Fetch(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  v1::ListWorkloadsRequest request;
  request.set_host(session.options().host);
  request.set_workload(session.options().name);
  TRUCE_ASSIGN_OR_RETURN(v1::ListWorkloadsResponse response, controller->ListWorkloads(request));
  Table table({{"NAME", Align::kLeft, false, true},
               {"HOST", Align::kLeft, false, true},
               {"CLASS"},
               {"DIAGNOSIS"},
               {"CPU", Align::kRight},
               {"MEMORY", Align::kRight},
               {"WORST", Align::kRight},
               {"FROM", Align::kLeft, false, true},
               {"RISK", Align::kRight},
               {"ACTIONS", Align::kRight},
               {"APPLICATION", Align::kLeft, true},
               {"TENANT", Align::kLeft, true},
               {"KIND", Align::kLeft, true},
               {"PRIORITY", Align::kRight, true},
               {"MODE", Align::kLeft, true},
               {"SLOWDOWN", Align::kRight, true},
               {"DETAIL", Align::kLeft, true},
               {"AGE", Align::kRight}});
  std::vector<std::string> names;
  for (const v1::WorkloadStatus& status : response.workloads()) {
    const v1::WorkloadReport& report = status.report();
    const v1::Workload& workload = report.workload();
    const v1::Readings& readings = report.readings();
    names.push_back(workload.name());
    table.AddRow({workload.name(), status.host(), EnumCell(workload.workload_class()),
                  DiagnosisCell(report.diagnosis()),
                  ReadingCell("cpu_usage_cores", readings.has_cpu_usage_cores(), readings.cpu_usage_cores()),
                  ReadingCell("memory_usage_bytes", readings.has_memory_usage_bytes(), readings.memory_usage_bytes()),
                  FormatNumber(status.worst_score_as_victim(), 0), status.worst_aggressor(), FormatRatio(status.risk()),
                  StrCat(status.actions_size()), workload.application(), workload.tenant(), workload.kind(),
                  StrCat(workload.priority()), EnumCell(workload.mode()),
                  report.has_slowdown_ratio() ? FormatRatio(report.slowdown_ratio()) : "-", report.diagnosis_detail(),
                  FormatAge(session.Now(), workload.first_seen(), workload.has_first_seen())});
  }
  const std::string nothing =
      request.workload().empty() ? "no workloads" : StrCat("no workload named ", request.workload());
  return TableView(std::move(response), std::move(table), std::move(names), nothing);
}

}  // namespace

absl::Status GetWorkloads(Session& session) {
  return Show(session, Fetch);
}

}  // namespace truce::cli
