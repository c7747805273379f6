#include "agent/act/migrate/podman.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "agent/act/migrate/driver_words.h"
#include "google/protobuf/util/json_util.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::agent {
namespace {

constexpr absl::Duration kAsk = absl::Seconds(20);
constexpr absl::Duration kThaw = absl::Seconds(100);
// How long what podman left behind may take to come to its end.
constexpr absl::Duration kFreezeEnd = absl::Seconds(60);
constexpr absl::Duration kPoll = absl::Milliseconds(50);

bool IsTrue(const google::protobuf::Struct& object, const std::string& key) {
  const auto found = object.fields().find(key);
  return found != object.fields().end() && found->second.bool_value();
}

}  // namespace

absl::StatusOr<ProgramResult> Podman::Run(std::vector<std::string> arguments, absl::Duration patience) const {
  arguments.insert(arguments.begin(), {program_, "container"});
  return RunProgram({.arguments = std::move(arguments), .patience = patience});
}

absl::Status Podman::Do(std::vector<std::string> arguments, absl::Duration patience) const {
  const std::string step = arguments[0];
  TRUCE_ASSIGN_OR_RETURN(const ProgramResult result, Run(std::move(arguments), patience));
  if (result.exit_code == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat("podman container ", step, result.end == ProgramResult::End::kTimedOut ? " took too long: " : ": ",
             result.last_error.empty() ? StrCat("exit code ", result.exit_code) : result.last_error));
}

absl::StatusOr<PodmanContainer> Podman::Inspect(const std::string& id) const {
  TRUCE_ASSIGN_OR_RETURN(const ProgramResult exists, Run({"exists", id}, kAsk));
  if (exists.exit_code == 1) return PodmanContainer();
  if (exists.exit_code != 0) {
    return absl::UnavailableError(
        StrCat("podman does not say whether there is a container ", id, ": ", exists.last_error));
  }
  TRUCE_ASSIGN_OR_RETURN(const ProgramResult said, Run({"inspect", id}, kAsk));
  google::protobuf::ListValue list;
  if (said.exit_code != 0 || !google::protobuf::util::JsonStringToMessage(said.output, &list).ok() ||
      list.values_size() != 1) {
    return absl::UnavailableError(StrCat("podman does not say how the container ", id, " is: ", said.last_error));
  }
  const auto& about = list.values(0).struct_value();
  const auto& state = JsonObject(about, "State");
  PodmanContainer container{.exists = true,
                            .running = JsonText(state, "Status") == "running",
                            .checkpointed = IsTrue(state, "Checkpointed"),
                            .restored = IsTrue(state, "Restored"),
                            .removes_itself = IsTrue(JsonObject(about, "HostConfig"), "AutoRemove"),
                            .cgroup = JsonText(state, "CgroupPath")};
  if (container.cgroup.starts_with('/')) container.cgroup.erase(0, 1);
  return container;
}

bool Podman::IsBeingFrozen(const std::string& id) const {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(procfs_, error)) {
    int pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    const std::string line = host::ReadFile(entry.path().string() + "/cmdline").value_or(std::string());
    if (line.find(id) == std::string::npos) continue;
    const std::vector<std::string> words = absl::StrSplit(line, '\0');
    const auto has = [&words](std::string_view word) {
      return std::find(words.begin(), words.end(), word) != words.end();
    };
    if (has("checkpoint") && has(id)) return true;
  }
  return false;
}

absl::Status Podman::AwaitFreeze(const std::string& id) const {
  const absl::Time deadline = absl::Now() + kFreezeEnd;
  while (IsBeingFrozen(id)) {
    if (absl::Now() >= deadline) {
      return absl::UnavailableError(StrCat("a checkpoint of the container ", id, " goes on for longer than ",
                                           absl::FormatDuration(kFreezeEnd), "; look at podman and criu"));
    }
    absl::SleepFor(kPoll);
  }
  return absl::OkStatus();
}

absl::Status Podman::Freeze(const std::string& id, const std::string& file, absl::Duration patience) const {
  const absl::Status frozen =
      Do({"checkpoint", "--keep", "--tcp-established", "--compress", "zstd", "--export", file, id}, patience);
  const absl::Status over = AwaitFreeze(id);
  return over.ok() ? frozen : absl::InternalError(over.message());
}

absl::Status Podman::Thaw(const std::string& id) const {
  TRUCE_ASSIGN_OR_RETURN(const PodmanContainer before, Inspect(id));
  if (before.running) return absl::OkStatus();
  if (!before.checkpointed) {
    return absl::FailedPreconditionError(
        StrCat("the container ", id,
               " is not frozen: it ended by itself, or somebody ended it; start it anew if it is wanted"));
  }
  // Without --keep, which would leave an old checkpoint behind.
  TRUCE_RETURN_IF_ERROR(Do({"restore", "--tcp-established", id}, kThaw));
  TRUCE_ASSIGN_OR_RETURN(const PodmanContainer after, Inspect(id));
  return after.running ? absl::OkStatus() : absl::UnavailableError("podman restored it, and it does not run");
}

absl::Status Podman::Restore(const std::string& file) const {
  return Do({"restore", "--tcp-established", "--import", file}, kThaw);
}

absl::Status Podman::Remove(const std::string& id) const {
  TRUCE_ASSIGN_OR_RETURN(const PodmanContainer container, Inspect(id));
  if (!container.exists) return absl::OkStatus();
  if (container.running) return absl::FailedPreconditionError("the container runs, and is not removed");
  return Do({"rm", id}, kAsk);
}

}  // namespace truce::agent
