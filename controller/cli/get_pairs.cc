// trucectl get pairs [WORKLOAD]
#include "controller/cli/rows.h"
#include "controller/cli/view.h"
#include "src/base/status.h"

namespace truce::cli {
namespace {

absl::StatusOr<View> Fetch(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  v1::ListPairsRequest request;
  request.set_host(session.options().host);
  request.set_workload(session.options().name);
  request.set_minimum_score(session.options().minimum_score);
  TRUCE_ASSIGN_OR_RETURN(v1::ListPairsResponse response, controller->ListPairs(request));
  std::vector<std::string> names;
  for (const v1::PairStatus& pair : response.pairs()) names.push_back(PairName(pair.score()));
  Table table = PairTable(response.pairs(), session.Now());
  return TableView(std::move(response), std::move(table), std::move(names), "no pairs: nobody is seen to slow anybody");
}

}  // namespace

absl::Status GetPairs(Session& session) {
  return Show(session, Fetch);
}

}  // namespace truce::cli
