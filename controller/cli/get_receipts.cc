// trucectl get receipts [WORKLOAD]
#include "controller/cli/rows.h"
#include "controller/cli/view.h"
#include "src/base/status.h"

namespace truce::cli {
namespace {

absl::StatusOr<View> Fetch(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  v1::ListReceiptsRequest request;
  request.set_host(session.options().host);
  request.set_workload(session.options().name);
  request.set_limit(session.options().limit);
  TRUCE_ASSIGN_OR_RETURN(v1::ListReceiptsResponse response, controller->ListReceipts(request));
  std::vector<std::string> names;
  for (const v1::ReceiptRecord& record : response.receipts()) names.push_back(record.receipt().action().lease_id());
  Table table = ReceiptTable(response.receipts(), session.Now());
  return TableView(std::move(response), std::move(table), std::move(names), "no receipts: no action has ended yet");
}

}  // namespace

absl::Status GetReceipts(Session& session) {
  return Show(session, Fetch);
}

}  // namespace truce::cli
