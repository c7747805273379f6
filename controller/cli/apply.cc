// trucectl apply -f FILE: changes the policy to what the file says.
#include <cerrno>
#include <fstream>

#include "absl/strings/str_join.h"
#include "controller/cli/view.h"
#include "controller/cli/yaml.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

absl::StatusOr<ConfigSource> ReadSource(Session& session) {
  ConfigSource source;
  absl::StatusOr<std::string> text;
  if (session.options().file == "-") {
    source.file = "standard input";
    text = ReadConfigText(session.console().in, "standard input");
  } else {
    source.file = session.options().file;
    const std::string what = StrCat("the policy ", source.file);
    std::ifstream stream(source.file, std::ios::binary);
    text = stream ? ReadConfigText(stream, what) : ErrnoStatus(errno, StrCat("reading ", what));
  }
  if (!text.ok()) return UsageError(std::string(text.status().message()));
  source.text = *std::move(text);
  return source;
}

}  // namespace

absl::Status Apply(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(const ConfigSource source, ReadSource(session));
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  TRUCE_ASSIGN_OR_RETURN(const v1::GetPolicyResponse current, controller->GetPolicy({}));
  absl::StatusOr<v1::Policy> policy = ReadPolicy(source, current.policy());
  if (!policy.ok()) return UsageError(std::string(policy.status().message()));
  v1::ApplyPolicyRequest request;
  *request.mutable_policy() = *std::move(policy);
  request.set_validate_only(session.options().dry_run);
  TRUCE_ASSIGN_OR_RETURN(const v1::ApplyPolicyResponse response, controller->ApplyPolicy(request));
  return ShowChange(
      session, response,
      response.changes().empty()
          ? StrCat("nothing changes: policy version ", response.policy().version(), " says the same")
          : StrCat(absl::StrJoin(response.changes(), "\n"), "\npolicy version ", response.policy().version()));
}

}  // namespace truce::cli
