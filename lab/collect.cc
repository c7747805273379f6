#include "lab/collect.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "agent/sense/host_topology.h"
#include "lab/collector.h"
#include "models/topology.h"
#include "src/base/figures.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/inventory.h"

namespace truce::lab {
absl::Status Collector::ChooseCpus() {
  TRUCE_ASSIGN_OR_RETURN(const std::vector<int> online, host::OnlineCpus(options_.sysfs));
  cpus_ = online;
  if (options_.cpus.empty()) return absl::OkStatus();
  TRUCE_ASSIGN_OR_RETURN(cpus_, host::ParseCpuList(options_.cpus));
  if (cpus_.empty()) return absl::InvalidArgumentError("--cpus names no CPU");
  for (const int cpu : cpus_) {
    if (std::binary_search(online.begin(), online.end(), cpu)) continue;
    return absl::InvalidArgumentError(
        StrCat("--cpus: CPU ", cpu, " is not online; this host has ", host::FormatCpuList(online)));
  }
  return absl::OkStatus();
}

absl::Status Collector::ChoosePrograms() {
  TRUCE_ASSIGN_OR_RETURN(std::vector<Program> all, ReadPrograms(options_.programs));
  for (const std::string& name : options_.only) {
    if (std::none_of(all.begin(), all.end(), [&](const Program& program) { return program.name == name; })) {
      return absl::InvalidArgumentError(StrCat("no program '", name, "' in ", options_.programs));
    }
  }
  for (Program& program : all) {
    if (!options_.only.empty() &&
        std::find(options_.only.begin(), options_.only.end(), program.name) == options_.only.end()) {
      continue;
    }
    const std::vector<std::string> missing = MissingCommands(program);
    absl::Status status;
    if (!missing.empty()) {
      status = absl::NotFoundError(StrCat(absl::StrJoin(missing, ", "), " is not installed; apt-get install ",
                                          absl::StrJoin(program.packages, " ")));
    } else {
      status = SetUp(program, options_.work_directory, signals_);
      if (absl::IsCancelled(status)) return status;
      if (absl::IsFailedPrecondition(status)) {
        status = absl::FailedPreconditionError(StrCat(StdView(status.message()),
                                                      "; are its packages there? apt-get install ",
                                                      absl::StrJoin(program.packages, " ")));
      }
    }
    if (status.ok()) {
      programs_.push_back(std::move(program));
    } else {
      result_.left_out.push_back(StrCat(program.name, ": ", StdView(status.message())));
    }
  }
  failures_.assign(programs_.size(), 0);
  if (programs_.size() >= 2) return absl::OkStatus();
  return absl::FailedPreconditionError(StrCat("a meeting needs two programs, and ", programs_.size(), " can run here",
                                              result_.left_out.empty() ? "; choose more with --only" : ": ",
                                              absl::StrJoin(result_.left_out, "; ")));
}

absl::StatusOr<host::UniqueFd> PrepareWorkDirectory(const std::string& directory) {
  std::error_code error;
  if (std::filesystem::create_directories(directory, error)) {
    std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
  }
  struct stat status {};
  if (error || lstat(directory.c_str(), &status) != 0) {
    return ErrnoStatus(error ? error.value() : errno, StrCat("making --work-directory ", directory));
  }
  if (S_ISDIR(status.st_mode) && status.st_uid == geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0) {
    host::UniqueFd lock(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (lock.valid() && flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
    if (errno == EWOULDBLOCK) {
      return absl::AlreadyExistsError(StrCat("another truce-lab measures on this host (it uses ", directory,
                                             "); each would be noise to the other"));
    }
    return ErrnoStatus(errno, StrCat("locking --work-directory ", directory));
  }
  return absl::PermissionDeniedError(StrCat("--work-directory ", directory,
                                            " must be a directory that belongs to you and that nobody else may write, "
                                            "since programs run in it; choose another"));
}

absl::Status Collector::Prepare() {
  TRUCE_ASSIGN_OR_RETURN(lock_, PrepareWorkDirectory(options_.work_directory));
  TRUCE_RETURN_IF_ERROR(ChooseCpus());
  TRUCE_ASSIGN_OR_RETURN(layout_, host::CgroupLayout::Detect(options_.cgroup_root));
  if (!layout_->hierarchy_of(host::Controller::kCpuset)) {
    return absl::FailedPreconditionError(
        "no cgroup tree has the cpuset controller, so programs can't be placed on CPUs");
  }
  host::CounterOptions counting;
  counting.procfs = options_.procfs;
  counting.sysfs = options_.sysfs;
  counters_ = host::CreateCounterService(counting);
  const host::CounterStatus pmu = counters_->status();
  TRUCE_ASSIGN_OR_RETURN(
      const v1::HostInventory inventory,
      host::TakeInventory({options_.procfs, options_.sysfs, "lab", TRUCE_VERSION, ""}, *layout_, pmu));
  const Topology topology = agent::TopologyOf(inventory);
  if (!pmu.pmu_available) std::fprintf(stderr, "no hardware counters: %s\n", pmu.missing_reason.c_str());
  TRUCE_ASSIGN_OR_RETURN(dataset_, Dataset::Open(options_.output, DescribeMachine(options_.procfs), topology.Text()));
  std::fprintf(stderr, "preparing the programs' input in %s ...\n", options_.work_directory.c_str());
  TRUCE_RETURN_IF_ERROR(ChoosePrograms());
  for (const std::string& left_out : result_.left_out) std::fprintf(stderr, "left out: %s\n", left_out.c_str());
  TRUCE_ASSIGN_OR_RETURN(auto visits, dataset_->PairVisits());
  std::vector<std::string> names;
  for (const Program& program : programs_) names.push_back(program.name);
  chain_ = std::make_unique<Chain>(std::move(names), cpus_, std::move(visits), options_.high_load_ratio, options_.seed);

  TRUCE_RETURN_IF_ERROR(host::ScratchCgroups::RemoveAbandoned(*layout_, "truce-lab-"));
  const std::string name = StrCat("truce-lab-", getpid());
  TRUCE_ASSIGN_OR_RETURN(auto cgroups, host::ScratchCgroups::Create(*layout_, name));
  cgroups_.emplace(std::move(cgroups));
  observer_ = std::make_unique<Observer>(options_.procfs, name, *layout_, SystemClock(), *counters_);
  return absl::OkStatus();
}
void Collector::ShowProgress(bool last) {
  const absl::Time now = absl::Now();
  const bool terminal = isatty(STDERR_FILENO) != 0;
  if (!last && now - shown_ < (terminal ? absl::Seconds(1) : absl::Seconds(30))) return;
  shown_ = now;
  std::string who;
  for (const auto& life : lives_) StrAppend(&who, who.empty() ? "" : " + ", life->program->program().name);
  const double share = std::clamp(absl::FDivDuration(now - begin_, end_ - begin_), 0.0, 1.0);
  const int filled = static_cast<int>(share * 20);
  std::fprintf(stderr, "%s[%s%s] %3.0f %%, %s left, %d meetings, %d of three; %-50s%s", terminal ? "\r" : "",
               std::string(static_cast<size_t>(filled), '#').c_str(),
               std::string(static_cast<size_t>(20 - filled), '.').c_str(), 100 * share,
               absl::FormatDuration(absl::Trunc(std::max(absl::ZeroDuration(), end_ - now), absl::Seconds(1))).c_str(),
               result_.meetings, result_.triples, who.c_str(), terminal && !last ? "" : "\n");
}

absl::StatusOr<CollectResult> Collector::Run() {
  TRUCE_RETURN_IF_ERROR(Prepare());
  begin_ = absl::Now();
  end_ = begin_ + options_.budget;
  next_tick_ = begin_;
  const absl::Status status = RunChains();
  ShowProgress(true);
  const absl::Status finished = FinishAll();
  const absl::Status removed = cgroups_->Remove();
  TRUCE_RETURN_IF_ERROR(status);
  TRUCE_RETURN_IF_ERROR(finished);
  TRUCE_RETURN_IF_ERROR(removed);
  return result_;
}

absl::StatusOr<CollectResult> Collect(const CollectOptions& options, ShutdownSignals& signals) {
  return Collector(options, signals).Run();
}

}  // namespace truce::lab
