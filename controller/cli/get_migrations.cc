// trucectl get migrations
#include "controller/cli/rows.h"
#include "controller/cli/view.h"
#include "src/base/status.h"

namespace truce::cli {
namespace {

absl::StatusOr<View> Fetch(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  v1::ListMigrationsRequest request;
  request.set_host(session.options().host);
  request.set_workload(session.options().workload);
  request.set_limit(session.options().limit);
  TRUCE_ASSIGN_OR_RETURN(v1::ListMigrationsResponse response, controller->ListMigrations(request));
  std::vector<std::string> names;
  for (const v1::Migration& migration : response.migrations()) names.push_back(migration.migration_id());
  Table table = MigrationTable(response.migrations(), session.Now());
  return TableView(std::move(response), std::move(table), std::move(names),
                   "no migrations: none is proposed, under way or remembered");
}

}  // namespace

absl::Status GetMigrations(Session& session) {
  return Show(session, Fetch);
}

}  // namespace truce::cli
