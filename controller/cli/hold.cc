// trucectl hold [HOST] and trucectl resume [HOST]: the kill switch.
#include "controller/cli/view.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {

absl::Status Hold(Session& session) {
  const Options& options = session.options();
  v1::HoldRequest request;
  request.set_host(options.name);
  request.set_reason(options.reason);
  request.set_validate_only(options.dry_run);
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  TRUCE_ASSIGN_OR_RETURN(const v1::HoldResponse response, controller->Hold(request));
  const uint32_t count = response.released_action_count();
  return ShowChange(session, response,
                    StrCat(options.name.empty() ? "the fleet" : options.name, " is on hold: ", count,
                           count == 1 ? " action is" : " actions are", " being restored and none is taken until: ",
                           "trucectl resume", options.name.empty() ? "" : " ", options.name));
}

absl::Status Resume(Session& session) {
  const Options& options = session.options();
  v1::ResumeRequest request;
  request.set_host(options.name);
  request.set_validate_only(options.dry_run);
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  TRUCE_ASSIGN_OR_RETURN(const v1::ResumeResponse response, controller->Resume(request));
  const uint32_t count = response.resumed_host_count();
  // The fleet is on hold too, which a warning says, or the host has not connected yet.
  if (count == 0 && !options.name.empty()) {
    return ShowChange(session, response, StrCat("the hold of ", options.name, " itself is ended; no host resumes yet"));
  }
  return ShowChange(session, response, StrCat(count, count == 1 ? " host resumes" : " hosts resume"));
}

}  // namespace truce::cli
