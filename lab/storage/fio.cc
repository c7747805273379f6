#include "lab/storage/fio.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "src/base/child_process.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::lab {
namespace {

using google::protobuf::Struct;

constexpr absl::Duration kPoll = absl::Milliseconds(20);
// A disk that is slower than that to finish what is in flight is stuck.
constexpr absl::Duration kLongestOverrun = absl::Seconds(60);
constexpr int kNoSuchProgram = 127;

// A descriptor of nothing but memory.
absl::StatusOr<host::UniqueFd> MemoryFile(const char* name) {
  host::UniqueFd fd(memfd_create(name, MFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "making room in memory for what fio says");
  return fd;
}

absl::StatusOr<std::string> Contents(const host::UniqueFd& fd) {
  host::ReadBuffer buffer;
  TRUCE_ASSIGN_OR_RETURN(const std::string_view text, host::ReadWhole(fd.get(), buffer, "what fio said"));
  return std::string(text);
}

double NumberAt(const Struct& object, const std::string& key) {
  const auto found = object.fields().find(key);
  return found == object.fields().end() ? 0 : found->second.number_value();
}

const Struct& ObjectAt(const Struct& object, const std::string& key) {
  const auto found = object.fields().find(key);
  return found == object.fields().end() ? Struct::default_instance() : found->second.struct_value();
}

absl::StatusOr<FioDirection> ReadDirection(const Struct& job, const std::string& key) {
  constexpr double kNanosecond = 1e-9;
  const Struct& said = ObjectAt(job, key);
  const Struct& latency = ObjectAt(said, "lat_ns");
  FioDirection direction;
  direction.operations = static_cast<uint64_t>(NumberAt(said, "total_ios"));
  direction.operations_per_second = NumberAt(said, "iops");
  direction.bytes = static_cast<uint64_t>(NumberAt(said, "io_bytes"));
  direction.bytes_per_second = NumberAt(said, "bw_bytes");
  if (direction.operations == 0) return FioDirection();
  direction.mean_seconds = NumberAt(latency, "mean") * kNanosecond;
  direction.p99_seconds = NumberAt(ObjectAt(latency, "percentile"), "99.000000") * kNanosecond;
  if (direction.mean_seconds <= 0 || direction.p99_seconds <= 0 || direction.operations_per_second <= 0) {
    return absl::InvalidArgumentError(StrCat("fio says nothing of the latency of ", key, "s"));
  }
  return direction;
}

std::string LastWords(const std::string& text) {
  std::string last = "it says nothing";
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipWhitespace())) last = std::string(line);
  return last;
}

}  // namespace

std::vector<std::string> FioArguments(const FioRun& run) {
  const bool reads = run.read_share >= 1;
  const bool writes = run.read_share <= 0;
  const int read_percent = static_cast<int>(std::lround(100 * run.read_share));
  const std::string kind = reads ? "read" : writes ? "write" : "rw";
  std::vector<std::string> arguments = {
      "fio", "--name=storage", "--output-format=json",
      // One process: nothing is left when it is ended.
      "--thread", "--ioengine=libaio", "--direct=1", "--norandommap", "--randrepeat=1", "--lat_percentiles=1",
      "--clat_percentiles=0", StrCat("--filename=", run.file), StrCat("--size=", run.file_bytes),
      StrCat("--bs=", run.operation_bytes), StrCat("--rw=", run.sequential ? "" : "rand", kind),
      StrCat("--iodepth=", run.depth), StrCat("--io_size=", run.most_bytes),
      StrCat("--runtime=", absl::ToInt64Milliseconds(run.length), "ms")};
  if (kind == "rw") arguments.push_back(StrCat("--rwmixread=", read_percent));
  if (run.rate.has_value()) {
    const auto part = [&run](double share) { return std::max<int64_t>(1, std::llround(*run.rate * share)); };
    arguments.push_back("--rate_process=poisson");
    arguments.push_back(
        StrCat("--rate_iops=", part(reads ? 1 : run.read_share), ",", part(writes ? 1 : 1 - run.read_share)));
  }
  return arguments;
}

absl::StatusOr<FioResult> ParseFio(std::string_view text) {
  const size_t begin = text.find('{');
  Struct said;
  if (begin == std::string_view::npos ||
      !google::protobuf::util::JsonStringToMessage(std::string(text.substr(begin)), &said).ok()) {
    return absl::InvalidArgumentError("what fio writes is no JSON; is it fio 3?");
  }
  const auto jobs = said.fields().find("jobs");
  if (jobs == said.fields().end() || jobs->second.list_value().values().empty()) {
    return absl::InvalidArgumentError("what fio writes has no jobs; is it fio 3?");
  }
  const Struct& job = jobs->second.list_value().values(0).struct_value();
  FioResult result;
  TRUCE_ASSIGN_OR_RETURN(result.of[0], ReadDirection(job, "read"));
  TRUCE_ASSIGN_OR_RETURN(result.of[1], ReadDirection(job, "write"));
  return result;
}

absl::StatusOr<FioResult> RunFio(const FioRun& run, ShutdownSignals& signals) {
  TRUCE_ASSIGN_OR_RETURN(const host::UniqueFd output, MemoryFile("output"));
  TRUCE_ASSIGN_OR_RETURN(const host::UniqueFd errors, MemoryFile("errors"));
  ChildOptions child;
  child.arguments = FioArguments(run);
  child.output_fd = output.get();
  child.error_fd = errors.get();
  TRUCE_ASSIGN_OR_RETURN(ChildProcess process, ChildProcess::Start(child));
  const absl::Time deadline = absl::Now() + run.length + kLongestOverrun;
  while (process.Running()) {
    if (signals.WaitFor(kPoll)) return absl::CancelledError("interrupted");
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(StrCat("the disk did not finish within ",
                                                absl::FormatDuration(kLongestOverrun),
                                                " what fio had asked of it; look at the kernel's log"));
    }
  }
  const int exit_status = process.Stop(absl::ZeroDuration());
  if (exit_status == kNoSuchProgram) {
    return absl::NotFoundError("there is no fio; install Debian's package fio (deploy/install-packages.sh lab)");
  }
  TRUCE_ASSIGN_OR_RETURN(const std::string said, Contents(output));
  TRUCE_ASSIGN_OR_RETURN(const std::string complained, Contents(errors));
  if (exit_status != 0) {
    // fio tells of errors on either.
    return absl::FailedPreconditionError(StrCat("fio failed: ", LastWords(complained.empty() ? said : complained)));
  }
  return ParseFio(said);
}

}  // namespace truce::lab
