// trucectl get pairs [WORKLOAD]
#include "controller/cli/rows.h"
#include "controller/cli/view.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

// Why the table is empty: with a filter, others may well slow others.
std::string Nothing(const v1::ListPairsRequest& request) {
  if (request.workload().empty() && request.host().empty() && request.minimum_score() <= 0) {
    return "no pairs: nobody is seen to slow anybody";
  }
  const std::string of = request.workload().empty() ? "" : StrCat(" of ", request.workload());
  const std::string on = request.host().empty() ? "" : StrCat(" on ", request.host());
  const std::string score =
      request.minimum_score() > 0 ? StrCat(" scores at least ", request.minimum_score()) : std::string(" has a score");
  return StrCat("no pair", of, on, score);
}

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
  return TableView(std::move(response), std::move(table), std::move(names), Nothing(request));
}

}  // namespace

absl::Status GetPairs(Session& session) {
  return Show(session, Fetch);
}

}  // namespace truce::cli
