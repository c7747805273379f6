// trucectl get applications [NAME]
#include <algorithm>

#include "controller/cli/rows.h"
#include "controller/cli/view.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

// The resource by which it hurts most; "-" for none.
std::string WorstResource(const v1::Signature& signature) {
  const auto& effects = signature.resources();
  const auto worst = std::max_element(
      effects.begin(), effects.end(),
      [](const v1::ResourceEffect& a, const v1::ResourceEffect& b) { return a.hurts_ratio() < b.hurts_ratio(); });
  return worst == effects.end() || worst->hurts_ratio() <= 0 ? "-" : EnumCell(worst->resource());
}

absl::StatusOr<View> Fetch(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  v1::ListApplicationsRequest request;
  request.set_application(session.options().name);
  TRUCE_ASSIGN_OR_RETURN(v1::ListApplicationsResponse response, controller->ListApplications(request));
  Table table({{"NAME", Align::kLeft, false, true},
               {"WORKLOADS", Align::kRight},
               {"HOSTS", Align::kRight},
               {"HURTS", Align::kRight},
               {"SUFFERS", Align::kRight},
               {"MOST"},
               {"LIKE", Align::kLeft, false, true},
               {"FAMILIARITY", Align::kRight, true},
               {"SIGNATURES", Align::kRight, true},
               {"LAST", Align::kRight, true},
               {"MODEL", Align::kLeft, true},
               {"AGE", Align::kRight}});
  std::vector<std::string> names;
  bool any_learned = false;
  for (const v1::ApplicationStatus& status : response.applications()) {
    const v1::ApplicationSignature& learned = status.learned();
    const v1::Signature& signature = learned.signature();
    const std::vector<v1::Resemblance> alike = Resemblances(status);
    names.push_back(status.application());
    any_learned = any_learned || status.has_learned();
    table.AddRow({status.application(), StrCat(status.workload_count()), StrCat(status.hosts_size()), HurtsCell(status),
                  SuffersCell(status), WorstResource(signature), alike.empty() ? "-" : ResemblanceCell(alike.front()),
                  status.has_learned() ? FormatNumber(signature.familiarity(), 2) : "-", StrCat(learned.sample_count()),
                  FormatAge(session.Now(), learned.last_learned_at(), learned.has_last_learned_at()),
                  signature.model_version(),
                  FormatAge(session.Now(), learned.first_learned_at(), learned.has_first_learned_at())});
  }
  const bool is_empty = table.empty();
  View view = TableView(std::move(response), std::move(table), std::move(names),
                        "no applications: no agent has reported a workload that belongs to one");
  if (!is_empty && !any_learned) view.nothing = StrCat("nothing was learned yet: ", kNothingLearned);
  return view;
}

}  // namespace

absl::Status GetApplications(Session& session) {
  return Show(session, Fetch);
}

}  // namespace truce::cli
