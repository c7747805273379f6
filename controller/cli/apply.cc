// trucectl apply -f FILE: changes the policy to what the file says.
#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>

#include "absl/strings/str_join.h"
#include "controller/cli/view.h"
#include "controller/cli/yaml.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

absl::StatusOr<ConfigSource> ReadSource(Session& session) {
  ConfigSource source;
  if (session.options().file == "-") {
    source.file = "standard input";
    source.text.assign(std::istreambuf_iterator<char>(session.console().in), {});
    return source;
  }
  source.file = session.options().file;
  errno = 0;
  std::ifstream stream(source.file, std::ios::binary);
  std::array<char, 4096> block{};
  while (stream.read(block.data(), block.size()), stream.gcount() > 0) {
    source.text.append(block.data(), static_cast<size_t>(stream.gcount()));
  }
  // A directory opens and then fails to read.
  if (!stream.is_open() || stream.bad()) {
    const absl::Status status = ErrnoStatus(errno == 0 ? EIO : errno, StrCat("reading the policy ", source.file));
    return UsageError(std::string(status.message()));
  }
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
