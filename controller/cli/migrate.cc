// trucectl migrate WORKLOAD: moves it to another host.
#include "controller/cli/rows.h"
#include "controller/cli/view.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {

absl::Status Migrate(Session& session) {
  const Options& options = session.options();
  v1::MigrateRequest request;
  request.set_workload(options.name);
  request.set_host(options.host);
  request.set_target_host(options.target_host);
  request.set_driver(options.driver);
  request.set_validate_only(options.dry_run);
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  TRUCE_ASSIGN_OR_RETURN(const v1::MigrateResponse response, controller->Migrate(request));
  const v1::Migration& migration = response.migration();
  const std::string where = migration.target_host().empty() ? "where its cluster chooses" : migration.target_host();
  const std::string what = StrCat(migration.workload(), " is being moved from ", migration.source_host(), " to ", where,
                                  " by ", migration.driver(), ", which is expected to cost ",
                                  FormatNumber(migration.expected_cost_core_seconds(), 0), " core-seconds of work");
  const std::string follow =
      options.dry_run ? ""
                      : StrCat(" (", migration.migration_id(), "); follow it with: trucectl get migrations --watch");
  return ShowAnswer(session, response, what + follow);
}

}  // namespace truce::cli
