// trucectl verify migration ID: has both hosts of one that ended uncertain look again.
#include "controller/cli/view.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {

absl::Status VerifyMigration(Session& session) {
  const Options& options = session.options();
  v1::VerifyMigrationRequest request;
  request.set_migration_id(options.name);
  request.set_validate_only(options.dry_run);
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  TRUCE_ASSIGN_OR_RETURN(const v1::VerifyMigrationResponse response, controller->VerifyMigration(request));
  const v1::Migration& migration = response.migration();
  const std::string follow = options.dry_run ? "" : "; follow it with: trucectl get migrations --watch";
  return ShowAnswer(session, response,
                    StrCat(migration.source_host(),
                           migration.target_host().empty() ? std::string(" looks")
                                                           : StrCat(" and ", migration.target_host(), " look"),
                           " again where ", migration.workload(), " runs (", migration.migration_id(), ")", follow));
}

}  // namespace truce::cli
