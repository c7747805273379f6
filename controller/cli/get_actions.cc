// trucectl get actions
#include "controller/cli/rows.h"
#include "controller/cli/view.h"
#include "src/base/status.h"

namespace truce::cli {
namespace {

absl::StatusOr<View> Fetch(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  v1::ListActionsRequest request;
  request.set_host(session.options().host);
  TRUCE_ASSIGN_OR_RETURN(v1::ListActionsResponse response, controller->ListActions(request));
  std::vector<std::string> names;
  for (const v1::ActionStatus& status : response.actions()) names.push_back(status.action().lease_id());
  Table table = ActionTable(response.actions(), session.Now());
  return TableView(std::move(response), std::move(table), std::move(names), "no actions");
}

}  // namespace

absl::Status GetActions(Session& session) {
  return Show(session, Fetch);
}

}  // namespace truce::cli
