#include "lab/running_program.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "absl/time/clock.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr absl::Duration kSetUpLimit = absl::Minutes(2);
constexpr double kLowLoadRest = 1.5;
constexpr int kConnectionsPerThread = 4;

// Defines `work`, the endless loop around an operation. The rest is a read from a pipe that nobody writes to: sleep
// would be another process.
constexpr std::string_view kLoop = R"(
exec {never}<> <(:)
work() {
  local begin end took last=0 pause
  while :; do
    begin=$EPOCHREALTIME
    operation >/dev/null || exit 1
    end=$EPOCHREALTIME
    echo "$begin $end"
    [ "$REST_PERCENT" = 0 ] && continue
    # An operation during which the program was stopped took no longer than the one before.
    took=$(( ${end/./} - ${begin/./} ))
    pause=$(( (last > 0 && last < took ? last : took) * REST_PERCENT / 100 ))
    last=$took
    printf -v pause '%d.%06d' $(( pause / 1000000 )) $(( pause % 1000000 ))
    read -rt "$pause" -u "$never"
  done
}
)";

// One copy per thread; the first that ends ends all.
constexpr std::string_view kPerThread = R"(
for ((WORKER = 1; WORKER <= THREADS; ++WORKER)); do
  export WORKER
  work &
done
wait -n
exit 1
)";

std::string Script(const Program& program) {
  if (!program.run.empty()) return program.run;
  if (!program.worker.empty()) return StrCat("work() {\n", program.worker, "\n}\n", kPerThread);
  return StrCat("operation() {\n", program.operation, "\n}\n", kLoop, kPerThread);
}

// A port that nobody listens on now. Somebody else may take it before the program does, which then fails and is told.
int FreePort() {
  host::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) return 0;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  return ntohs(address.sin_port);
}

std::vector<std::string> Variables(const RunOptions& options, const std::string& scratch) {
  const bool high = options.load == Load::kHigh;
  const int threads = high ? std::max(1, static_cast<int>(options.cpus.size())) : 1;
  const double rest = high ? 0 : kLowLoadRest;
  return {"LC_ALL=C",
          StrCat("PATH=", kSearchPath),
          StrCat("DATA=", options.data_directory),
          StrCat("SCRATCH=", scratch),
          StrCat("LOAD=", options.load_tool),
          StrCat("PORT=", FreePort()),
          StrCat("THREADS=", threads),
          StrCat("CONNECTIONS=", high ? kConnectionsPerThread * threads : 1),
          StrCat("REST=", rest),
          StrCat("REST_PERCENT=", static_cast<int>(100 * rest)),
          "WORKER=1"};
}

}  // namespace

std::string LastLine(const std::string& file) {
  std::ifstream stream(file);
  std::string last;
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty()) last = line;
  }
  if (last.empty()) last = "none on stderr";
  return last;
}

std::string_view LoadName(Load load) {
  return load == Load::kHigh ? "high" : "low";
}

RunningProgram::RunningProgram(const Program& program, const RunOptions& options, host::ScratchCgroups& cgroups,
                               std::string child)
    : program_(program),
      options_(options),
      cgroups_(cgroups),
      child_(std::move(child)),
      log_file_(StrCat(options.data_directory, "/", program.name, ".log")),
      scratch_(StrCat(options.data_directory, "/run-", child_)),
      meter_(program.progress) {}

RunningProgram::~RunningProgram() {
  (void)Stop();
}

absl::StatusOr<std::unique_ptr<RunningProgram>> RunningProgram::Start(const Program& program, const RunOptions& options,
                                                                      host::ScratchCgroups& cgroups,
                                                                      const std::string& child) {
  std::unique_ptr<RunningProgram> running(new RunningProgram(program, options, cgroups, child));
  TRUCE_RETURN_IF_ERROR(running->Launch());
  return running;
}

absl::Status RunningProgram::Launch() {
  TRUCE_ASSIGN_OR_RETURN(workload_, cgroups_.Add(child_));
  TRUCE_RETURN_IF_ERROR(cgroups_.SetCpus(child_, options_.cpus));
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return ErrnoStatus(errno, "making a pipe");
  output_.reset(ends[0]);
  const host::UniqueFd input(ends[1]);
  // The program itself must be able to wait for the reader.
  fcntl(input.get(), F_SETFL, fcntl(input.get(), F_GETFL) & ~O_NONBLOCK);
  unlink(log_file_.c_str());
  std::error_code error;
  // Of a lab that was killed.
  std::filesystem::remove_all(scratch_, error);
  std::filesystem::create_directory(scratch_, error);
  if (error) return absl::UnavailableError(StrCat("making ", scratch_, ": ", error.message()));
  ChildOptions child;
  child.arguments = {"env"};
  for (const std::string& variable : Variables(options_, scratch_)) child.arguments.push_back(variable);
  child.arguments.insert(child.arguments.end(), {"bash", "-c", Script(program_)});
  child.log_file = log_file_;
  child.output_fd = input.get();
  child.before_exec = [this] {
    if (chdir(scratch_.c_str()) != 0) return ErrnoStatus(errno, StrCat("entering ", scratch_));
    return cgroups_.Enter(child_, 0);
  };
  TRUCE_ASSIGN_OR_RETURN(ChildProcess process, ChildProcess::Start(child));
  process_ = std::make_unique<ChildProcess>(std::move(process));
  return absl::OkStatus();
}

absl::Status RunningProgram::Poll() {
  std::array<char, 65536> block;
  const absl::Time now = absl::Now();
  for (ssize_t got; (got = read(output_.get(), block.data(), block.size())) > 0;) {
    meter_.Take(std::string_view(block.data(), static_cast<size_t>(got)), now);
  }
  if (process_->Running()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat(program_.name, " ended by itself; its last words: ", LastLine(log_file_), " (", log_file_, ")"));
}

absl::Status RunningProgram::SetPaused(bool paused) {
  if (paused == paused_since_.has_value()) return absl::OkStatus();
  const absl::Time before = absl::Now();
  TRUCE_RETURN_IF_ERROR(cgroups_.SetFrozen(child_, paused));
  if (paused) {
    paused_since_ = before;
  } else {
    meter_.AddPause(*paused_since_, absl::Now());
    paused_since_.reset();
  }
  return absl::OkStatus();
}

absl::Status RunningProgram::Stop() {
  if (std::exchange(stopped_, true)) return absl::OkStatus();
  if (process_ != nullptr) process_->Kill();
  const absl::Status ended = cgroups_.EndAndDrop(child_);
  std::error_code error;
  std::filesystem::remove_all(scratch_, error);
  return ended;
}

namespace {

// A directory in which a program's input is made, so that what was made by half is never taken for whole: it shows what
// is there already as links, and what was made in it is moved out at the end.
class Workshop {
 public:
  explicit Workshop(const std::string& data_directory)
      : data_(data_directory), path_(StrCat(data_directory, "/being-made")) {}
  ~Workshop() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  absl::Status Open() const {
    std::error_code error;
    std::filesystem::remove_all(path_, error);  // of a lab that was killed
    std::vector<std::filesystem::path> there;
    for (const auto& entry : std::filesystem::directory_iterator(data_, error)) there.push_back(entry.path());
    if (!error) std::filesystem::create_directory(path_, error);
    for (const auto& one : there) {
      if (!error) std::filesystem::create_symlink(one, path_ / one.filename(), error);
    }
    return Said(error);
  }
  absl::Status Close() const {
    std::error_code error;
    std::vector<std::filesystem::path> made;
    for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
      if (!entry.is_symlink(error)) made.push_back(entry.path());
    }
    for (const auto& one : made) {
      if (!error) std::filesystem::rename(one, data_ / one.filename(), error);
    }
    return Said(error);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  absl::Status Said(const std::error_code& error) const {
    if (!error) return absl::OkStatus();
    return absl::UnavailableError(StrCat("making input in ", path_.string(), ": ", error.message()));
  }

  const std::filesystem::path data_;
  const std::filesystem::path path_;
};

}  // namespace

absl::Status SetUp(const Program& program, const std::string& data_directory, ShutdownSignals& signals) {
  if (program.setup.empty()) return absl::OkStatus();
  const Workshop workshop(data_directory);
  TRUCE_RETURN_IF_ERROR(workshop.Open());
  ChildOptions child;
  child.arguments = {
      "env",  "LC_ALL=C", StrCat("PATH=", kSearchPath),           StrCat("DATA=", workshop.path().string()),
      "bash", "-ec",      StrCat("cd \"$DATA\"\n", program.setup)};
  child.log_file = StrCat(data_directory, "/", program.name, ".setup.log");
  unlink(child.log_file.c_str());
  TRUCE_ASSIGN_OR_RETURN(ChildProcess process, ChildProcess::Start(child));
  const int group = process.pid();
  const absl::Time deadline = absl::Now() + kSetUpLimit;
  bool interrupted = false;
  while (process.Running() && !interrupted && absl::Now() < deadline)
    interrupted = signals.WaitFor(absl::Milliseconds(20));
  const int exit_status = process.Stop(absl::ZeroDuration());
  // What it put into the background.
  kill(-group, SIGKILL);
  if (interrupted) return absl::CancelledError("interrupted");
  if (exit_status == 0) return workshop.Close();
  if (absl::Now() >= deadline) {
    return absl::DeadlineExceededError(StrCat("setting up ", program.name, " took longer than ",
                                              absl::FormatDuration(kSetUpLimit), " and was ended (", child.log_file,
                                              "); make its setup smaller"));
  }
  return absl::FailedPreconditionError(
      StrCat("setting up ", program.name, " failed: ", LastLine(child.log_file), " (", child.log_file, ")"));
}

}  // namespace truce::lab
