#include "lab/scene_cast.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "absl/time/clock.h"
#include "lab/cgroup_use.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "src/host/inventory.h"

namespace truce::lab {
namespace {

constexpr std::string_view kName = "truce-quickstart-";

// What scenes left behind that were killed: their keys must not stay.
void RemoveAbandonedDirectories() {
  std::error_code error;
  std::vector<std::filesystem::path> abandoned;
  for (const auto& entry : std::filesystem::directory_iterator("/tmp", error)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(kName)) continue;
    struct stat status {};
    const bool own = lstat(entry.path().c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid();
    const auto pid = host::FirstNumber(name.substr(kName.size(), name.find('.') - kName.size()));
    if (own && pid && *pid > 0 && kill(static_cast<pid_t>(*pid), 0) != 0 && errno == ESRCH) {
      abandoned.push_back(entry.path());
    }
  }
  for (const std::filesystem::path& directory : abandoned) std::filesystem::remove_all(directory, error);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SceneCast>> SceneCast::Create(const std::string& cgroup_root, bool apart,
                                                             std::string* missing) {
  std::unique_ptr<SceneCast> cast(new SceneCast());
  RemoveAbandonedDirectories();
  std::string directory = StrCat("/tmp/", kName, getpid(), ".XXXXXX");
  if (mkdtemp(directory.data()) == nullptr) return ErrnoStatus(errno, "making a directory below /tmp");
  cast->directory_ = directory;
  TRUCE_RETURN_IF_ERROR(cast->MakeCgroups(cgroup_root, apart, missing));
  TRUCE_RETURN_IF_ERROR(cast->StartVictim());
  return cast;
}

SceneCast::~SceneCast() {
  CleanUp().IgnoreError();
}

absl::Status SceneCast::MakeCgroups(const std::string& cgroup_root, bool apart, std::string* missing) {
  TRUCE_ASSIGN_OR_RETURN(layout_, host::CgroupLayout::Detect(cgroup_root));
  TRUCE_RETURN_IF_ERROR(host::ScratchCgroups::RemoveAbandoned(*layout_, std::string(kName)));
  auto cgroups = host::ScratchCgroups::Create(*layout_, StrCat(kName, getpid()));
  if (!cgroups.ok()) return WithContext(cgroups.status(), "the scene needs cgroups of its own (run it as root)");
  cgroups_.emplace(*std::move(cgroups));
  TRUCE_ASSIGN_OR_RETURN(victim_, cgroups_->Add("redis"));
  TRUCE_ASSIGN_OR_RETURN(aggressor_, cgroups_->Add("stress"));
  TRUCE_ASSIGN_OR_RETURN(const std::vector<int> online, host::OnlineCpus("/sys"));
  const int cpus = static_cast<int>(online.size());
  workers_ = apart ? cpus / 2 : 2 * cpus;
  if (apart) {
    if (cpus < 2)
      return absl::FailedPreconditionError("two programs on CPUs of their own need two CPUs; this host has one");
    const auto middle = online.end() - cpus / 2;
    TRUCE_RETURN_IF_ERROR(cgroups_->SetCpus("redis", {online.begin(), middle}));
    TRUCE_RETURN_IF_ERROR(cgroups_->SetCpus("stress", {middle, online.end()}));
  }
  TRUCE_ASSIGN_OR_RETURN(auto awake, KeepAwake::Start(*cgroups_, online, directory_ + "/keep-awake.log"));
  awake_.emplace(std::move(awake));
  // Weight follows the CPUs that a workload asks for, as under Kubernetes: the batch job has many workers, redis one.
  if (absl::Status status = cgroups_->SetCpuWeight("stress", std::max(1, workers_)); !status.ok()) {
    *missing = StrCat("CPU weights - ", StdView(status.message()));
  }
  TRUCE_ASSIGN_OR_RETURN(aggressor_cgroup_, host::Cgroup::Open(*layout_, aggressor_));
  return absl::OkStatus();
}

absl::Status SceneCast::StartVictim() {
  // Debian's redis-server is the binary of redis-tools under another name; the package of that name would also start a
  // service on this host.
  const std::string socket = directory_ + "/redis.sock";
  ChildOptions options;
  options.arguments = {"/usr/bin/redis-check-rdb",
                       "--port",
                       "0",
                       "--unixsocket",
                       socket,
                       "--save",
                       "",
                       "--appendonly",
                       "no",
                       "--dir",
                       directory_};
  options.name = "redis-server";
  options.log_file = directory_ + "/redis.log";
  options.before_exec = [this] { return cgroups_->Enter("redis", 0); };
  TRUCE_ASSIGN_OR_RETURN(redis_, ChildProcess::Start(options));
  TRUCE_ASSIGN_OR_RETURN(load_, RedisLoad::Start(socket, absl::Seconds(10)));
  return absl::OkStatus();
}

absl::Status SceneCast::StartAggressor() {
  ChildOptions options;
  options.arguments = {"stress-ng",  "--cpu",       StrCat(workers_), "--cpu-method",
                       "matrixprod", "--temp-path", directory_,       "--quiet"};
  options.log_file = directory_ + "/stress-ng.log";
  options.before_exec = [this] { return cgroups_->Enter("stress", 0); };
  TRUCE_ASSIGN_OR_RETURN(stress_, ChildProcess::Start(options));
  return absl::OkStatus();
}

double SceneCast::AggressorCores() {
  const std::optional<uint64_t> usage = CpuUsageUs(*aggressor_cgroup_);
  const absl::Time now = absl::Now();
  double cores = 0;
  if (usage && *usage >= aggressor_usage_us_ && now > aggressor_usage_at_ && aggressor_usage_at_ != absl::Time()) {
    cores = static_cast<double>(*usage - aggressor_usage_us_) * 1e-6 / absl::ToDoubleSeconds(now - aggressor_usage_at_);
  }
  aggressor_usage_us_ = usage.value_or(0);
  aggressor_usage_at_ = now;
  return cores;
}

std::vector<std::string> SceneCast::Controls() const {
  std::vector<std::string> lines;
  for (const char* child : {"redis", "stress"}) {
    for (std::string& line : cgroups_->SnapshotControls(child)) lines.push_back(std::move(line));
  }
  return lines;
}

absl::Status SceneCast::CleanUp() {
  stress_.reset();
  load_.reset();
  redis_.reset();
  aggressor_cgroup_.reset();
  absl::Status status;
  if (awake_) {
    awake_->Stop().IgnoreError();  // what stays is told by Remove
    awake_.reset();
  }
  if (cgroups_) {
    status = cgroups_->Remove();
    cgroups_.reset();
  }
  if (!directory_.empty()) {
    std::error_code error;
    std::filesystem::remove_all(directory_, error);
    directory_.clear();
  }
  return status;
}

}  // namespace truce::lab
