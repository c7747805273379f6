// trucectl get decisions [WORKLOAD]
#include "controller/cli/rows.h"
#include "controller/cli/view.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

absl::StatusOr<View> Fetch(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  v1::ListDecisionsRequest request;
  request.set_host(session.options().host);
  request.set_workload(session.options().name);
  request.set_limit(session.options().limit);
  TRUCE_ASSIGN_OR_RETURN(v1::ListDecisionsResponse response, controller->ListDecisions(request));
  std::vector<std::string> names;
  for (const v1::Decision& decision : response.decisions()) names.push_back(StrCat(decision.id()));
  Table table = DecisionTable(response.decisions(), session.Now());
  return TableView(std::move(response), std::move(table), std::move(names), "no decisions");
}

}  // namespace

absl::Status GetDecisions(Session& session) {
  return Show(session, Fetch);
}

}  // namespace truce::cli
