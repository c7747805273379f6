// trucectl rollback model HASH: takes a model back from hosts that try it, or from all.
#include "controller/cli/view.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

std::string Name(const v1::ModelStatus& model) {
  return model.sha256().empty() ? "the one that each agent came with" : model.sha256().substr(0, 12);
}

}  // namespace

absl::Status RollBackModel(Session& session) {
  const Options& options = session.options();
  v1::RollBackModelRequest request;
  request.set_sha256(options.name);
  request.set_reason(options.reason);
  request.set_validate_only(options.dry_run);
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  TRUCE_ASSIGN_OR_RETURN(const v1::RollBackModelResponse response, controller->RollBackModel(request));
  return ShowAnswer(session, response,
                    StrCat(EnumCell(response.model().kind()), " model ", Name(response.model()),
                           " is taken back and never tried again; hosts go back to ", Name(response.instead())));
}

}  // namespace truce::cli
