#include "lab/collect.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "lab/chain.h"
#include "lab/dataset.h"
#include "lab/observer.h"
#include "lab/running_program.h"
#include "models/topology.h"
#include "src/base/figures.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/cgroup.h"
#include "src/host/inventory.h"
#include "src/host/scratch_cgroups.h"

namespace truce::lab {
namespace {

constexpr absl::Duration kTick = absl::Seconds(1);
constexpr absl::Duration kPoll = absl::Milliseconds(50);
// A program that has done nothing by then is left out for the rest of the run.
constexpr absl::Duration kFirstOperationLimit = absl::Seconds(15);
// How long to wait for operations that were under way when a window ended; longer ones don't count in it.
constexpr absl::Duration kLastOperationLimit = absl::Seconds(3);
// A program that failed so often is left out.
constexpr int kMostFailures = 2;

double Seconds(absl::Time time) {
  return absl::ToDoubleSeconds(time - absl::UnixEpoch());
}

Topology TopologyOf(const v1::HostInventory& inventory) {
  Topology topology;
  for (const v1::Cpu& cpu : inventory.cpus()) {
    topology.cpus.push_back({static_cast<int>(cpu.id()), static_cast<int>(cpu.core()), static_cast<int>(cpu.llc()),
                             static_cast<int>(cpu.numa_node())});
  }
  return topology;
}

// A program that runs, with what was seen of it.
struct Life {
  Setting setting;
  std::unique_ptr<RunningProgram> program;
  DatasetLife record;
};

// A window that was measured; its members' speeds are known once the operations that were under way have ended.
struct Window {
  absl::Time begin;
  absl::Time end;
  double steal = 0;
  double busy_cores = 0;
  double member_cores = 0;
  int ticks = 0;
};

// Standard error of the mean time per operation over the window's seconds, as a share of it; 0 when there are too few.
double SpreadRatio(const Meter& meter, const Window& window) {
  std::vector<double> seconds;
  for (absl::Time begin = window.begin; begin + kTick <= window.end; begin += kTick) {
    if (const auto one = meter.Between(begin, begin + kTick).SecondsPerOperation()) seconds.push_back(*one);
  }
  if (seconds.size() < 2) return 0;
  double mean = 0;
  for (const double one : seconds) mean += one / static_cast<double>(seconds.size());
  double variance = 0;
  for (const double one : seconds) variance += (one - mean) * (one - mean) / static_cast<double>(seconds.size() - 1);
  return mean > 0 ? std::sqrt(variance / static_cast<double>(seconds.size())) / mean : 0;
}

class Collector {
 public:
  Collector(const CollectOptions& options, ShutdownSignals& signals) : options_(options), signals_(signals) {}
  absl::StatusOr<CollectResult> Run();

 private:
  absl::Status Prepare();
  absl::Status PrepareDirectory();
  absl::Status ChooseCpus();
  absl::Status ChoosePrograms();
  // Runs the chain until it is over; FailedPrecondition when too few programs are left.
  absl::Status RunChain();
  // One link of the chain: `current` runs alone at its begin. Returns who runs alone at the next one's.
  absl::StatusOr<Life*> Meet(Life* current);
  // Cancelled, Aborted (a program ended by itself, which was told and counted) or DataLoss end a meeting.
  absl::StatusOr<Life*> Start(const Setting& setting);
  absl::Status Finish(Life* life);
  // Everybody, whatever happens to one of them; the first error. What they gathered is kept.
  absl::Status FinishAll();
  // Waits and samples; Cancelled on a signal or when the budget is used up.
  absl::Status Wait(absl::Duration duration, Window* window);
  absl::Status WaitForFirstOperation(const Life& life);
  // Until what was under way at `end` has ended, so that the window's last operations count.
  absl::Status WaitForLastOperations(absl::Time end);
  void Tick(Window* window);
  absl::StatusOr<Window> Measure(absl::Duration duration);
  absl::Status Keep(const Window& window, const std::vector<Life*>& members);
  void Fail(size_t program, const absl::Status& why);
  void ShowProgress(bool last);
  absl::Status Over();

  const CollectOptions options_;
  ShutdownSignals& signals_;
  std::vector<Program> programs_;
  std::vector<int> failures_;
  std::vector<int> cpus_;
  std::optional<host::CgroupLayout> layout_;
  std::optional<host::ScratchCgroups> cgroups_;
  std::unique_ptr<host::CounterService> counters_;
  std::unique_ptr<Observer> observer_;
  std::unique_ptr<Dataset> dataset_;
  std::unique_ptr<Chain> chain_;
  std::vector<std::unique_ptr<Life>> lives_;
  absl::Time begin_;
  absl::Time end_;
  absl::Time next_tick_;
  absl::Time shown_;
  int next_child_ = 1;
  CollectResult result_;
};

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
      if (!status.ok()) {
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

// Programs run as root in it and write where its names lead.
absl::Status Collector::PrepareDirectory() {
  const std::string& directory = options_.work_directory;
  std::error_code error;
  if (std::filesystem::create_directories(directory, error)) {
    std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
  }
  struct stat status {};
  if (error || lstat(directory.c_str(), &status) != 0) {
    return ErrnoStatus(error ? error.value() : errno, StrCat("making --work-directory ", directory));
  }
  if (S_ISDIR(status.st_mode) && status.st_uid == geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(StrCat("--work-directory ", directory,
                                            " must be a directory that belongs to you and that nobody else may write, "
                                            "since programs run in it; choose another"));
}

absl::Status Collector::Prepare() {
  TRUCE_RETURN_IF_ERROR(PrepareDirectory());
  TRUCE_RETURN_IF_ERROR(ChooseCpus());
  TRUCE_ASSIGN_OR_RETURN(layout_, host::CgroupLayout::Detect(options_.cgroup_root));
  if (!layout_->hierarchy_of(host::Controller::kCpuset)) {
    return absl::FailedPreconditionError(
        "no cgroup tree has the cpuset controller, so programs can't be placed on CPUs");
  }
  std::fprintf(stderr, "preparing the programs' input in %s ...\n", options_.work_directory.c_str());
  TRUCE_RETURN_IF_ERROR(ChoosePrograms());
  for (const std::string& left_out : result_.left_out) std::fprintf(stderr, "left out: %s\n", left_out.c_str());

  host::CounterOptions counting;
  counting.procfs = options_.procfs;
  counting.sysfs = options_.sysfs;
  counters_ = host::CreateCounterService(counting);
  const host::CounterStatus pmu = counters_->status();
  TRUCE_ASSIGN_OR_RETURN(const v1::HostInventory inventory,
                         host::TakeInventory({options_.procfs, options_.sysfs, "lab", TRUCE_VERSION}, *layout_, pmu));
  const Topology topology = TopologyOf(inventory);
  if (!pmu.pmu_available) std::fprintf(stderr, "no hardware counters: %s\n", pmu.missing_reason.c_str());
  TRUCE_ASSIGN_OR_RETURN(dataset_, Dataset::Open(options_.output, DescribeMachine(options_.procfs), topology.Text()));
  TRUCE_ASSIGN_OR_RETURN(auto visits, dataset_->PairVisits());
  std::vector<std::string> names;
  for (const Program& program : programs_) names.push_back(program.name);
  chain_ = std::make_unique<Chain>(std::move(names), cpus_, std::move(visits), options_.high_load_ratio, options_.seed);

  const std::string name = StrCat("truce-lab-", getpid());
  TRUCE_ASSIGN_OR_RETURN(auto cgroups, host::ScratchCgroups::Create(*layout_, name));
  cgroups_.emplace(std::move(cgroups));
  observer_ = std::make_unique<Observer>(options_.procfs, name, *layout_, SystemClock(), *counters_);
  return absl::OkStatus();
}

absl::Status Collector::Over() {
  if (signals_.WaitFor(absl::ZeroDuration())) return absl::CancelledError("interrupted");
  if (absl::Now() >= end_) return absl::CancelledError("the budget is used up");
  return absl::OkStatus();
}

void Collector::Fail(size_t program, const absl::Status& why) {
  const std::string reason(StdView(why.message()));
  std::fprintf(stderr, "\n%s\n", reason.c_str());
  if (++failures_[program] < kMostFailures) return;
  result_.left_out.push_back(StrCat(programs_[program].name, ": ", reason));
  chain_->Exclude(program);
}

absl::StatusOr<Life*> Collector::Start(const Setting& setting) {
  auto starting = std::make_unique<Life>();
  starting->setting = setting;
  const Program& program = programs_[setting.program];
  const RunOptions run{setting.load, setting.cpus, options_.work_directory, options_.load_tool};
  auto running = RunningProgram::Start(program, run, *cgroups_, StrCat(program.name, "-", next_child_++));
  if (!running.ok()) {
    Fail(setting.program, running.status());
    return absl::AbortedError(AbslView(std::string(StdView(running.status().message()))));
  }
  starting->program = *std::move(running);
  starting->record.program = program.name;
  starting->record.load = LoadName(setting.load);
  starting->record.cpus = setting.cpus;
  Life* const life = lives_.emplace_back(std::move(starting)).get();
  observer_->Expect();
  TRUCE_ASSIGN_OR_RETURN(life->record.id, dataset_->Add(life->record, program));
  TRUCE_RETURN_IF_ERROR(WaitForFirstOperation(*life));
  TRUCE_RETURN_IF_ERROR(Wait(options_.settle, nullptr));
  return life;
}

absl::Status Collector::WaitForFirstOperation(const Life& life) {
  const absl::Time limit = absl::Now() + kFirstOperationLimit;
  while (!life.program->meter().first_end()) {
    TRUCE_RETURN_IF_ERROR(Wait(kPoll, nullptr));
    if (absl::Now() < limit) continue;
    const absl::Status late = absl::AbortedError(
        StrCat(life.program->program().name, " did nothing within ", absl::FormatDuration(kFirstOperationLimit)));
    Fail(life.setting.program, late);
    return late;
  }
  return absl::OkStatus();
}

absl::Status Collector::WaitForLastOperations(absl::Time end) {
  const auto under_way = [&] {
    return std::any_of(lives_.begin(), lives_.end(),
                       [&](const auto& life) { return life->program->meter().last_end() < end; });
  };
  const absl::Time limit = end + kLastOperationLimit;
  while (under_way() && absl::Now() < limit) TRUCE_RETURN_IF_ERROR(Wait(kPoll, nullptr));
  return absl::OkStatus();
}

absl::Status Collector::Finish(Life* life) {
  const auto owner =
      std::find_if(lives_.begin(), lives_.end(), [life](const auto& candidate) { return candidate.get() == life; });
  const std::unique_ptr<Life> ending = std::move(*owner);
  lives_.erase(owner);
  const absl::Status stopped = ending->program->Stop();
  observer_->Expect();
  if (ending->record.id != 0) {
    result_.samples += static_cast<int64_t>(ending->record.samples.size());
    TRUCE_RETURN_IF_ERROR(dataset_->AddSamples(ending->record));
  }
  return stopped;
}

absl::Status Collector::FinishAll() {
  absl::Status first;
  while (!lives_.empty()) {
    absl::Status status = Finish(lives_.back().get());
    if (first.ok()) first = std::move(status);
  }
  return first;
}

void Collector::Tick(Window* window) {
  observer_->Tick();
  const absl::Time now = absl::Now();
  double member_cores = 0;
  for (const auto& life : lives_) {
    auto sample = observer_->Observe(*life->program);
    if (!sample) continue;
    sample->at = Seconds(now);
    const Performance last = life->program->meter().Between(now - kTick, now);
    sample->operations = last.operations;
    sample->busy_seconds = last.busy_seconds;
    member_cores += sample->readings.value_or(Reading::kCpuUsageCores, 0);
    life->record.samples.push_back(*std::move(sample));
  }
  if (window == nullptr) return;
  ++window->ticks;
  window->steal += observer_->steal_ratio().value_or(0);
  window->busy_cores += observer_->busy_ratio().value_or(0) * static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
  window->member_cores += member_cores;
}

absl::Status Collector::Wait(absl::Duration duration, Window* window) {
  const absl::Time end = absl::Now() + duration;
  do {
    if (absl::Now() >= next_tick_) {
      Tick(window);
      next_tick_ = std::max(next_tick_ + kTick, absl::Now());
      ShowProgress(false);
    }
    const absl::Time until = std::min({end, next_tick_, absl::Now() + kPoll});
    (void)signals_.WaitFor(std::max(absl::ZeroDuration(), until - absl::Now()));
    TRUCE_RETURN_IF_ERROR(Over());
    for (const auto& life : lives_) {
      const absl::Status status = life->program->Poll();
      if (status.ok()) continue;
      Fail(life->setting.program, status);
      return absl::AbortedError(status.message());
    }
  } while (absl::Now() < end);
  return absl::OkStatus();
}

absl::StatusOr<Window> Collector::Measure(absl::Duration duration) {
  Window window;
  window.begin = absl::Now();
  TRUCE_RETURN_IF_ERROR(Wait(duration, &window));
  window.end = absl::Now();
  return window;
}

absl::Status Collector::Keep(const Window& window, const std::vector<Life*>& members) {
  DatasetSegment segment;
  segment.begin = Seconds(window.begin);
  segment.end = Seconds(window.end);
  const double ticks = std::max(1, window.ticks);
  segment.steal_ratio = window.steal / ticks;
  segment.other_cores = std::max(0.0, (window.busy_cores - window.member_cores) / ticks);
  for (const Life* life : members) {
    const Performance done = life->program->meter().Between(window.begin, window.end);
    segment.members.push_back(
        {life->record.id, done.operations, done.busy_seconds, SpreadRatio(life->program->meter(), window)});
  }
  return dataset_->Add(segment).status();
}

absl::StatusOr<Life*> Collector::Meet(Life* current) {
  TRUCE_ASSIGN_OR_RETURN(const Window alone, Measure(options_.alone));
  const Setting next = chain_->Next(current->setting);
  TRUCE_ASSIGN_OR_RETURN(Life* const newcomer, Start(next));
  TRUCE_RETURN_IF_ERROR(Keep(alone, {current}));
  TRUCE_ASSIGN_OR_RETURN(const Window together, Measure(options_.together));
  TRUCE_RETURN_IF_ERROR(WaitForLastOperations(together.end));
  TRUCE_RETURN_IF_ERROR(Keep(together, {current, newcomer}));
  if (chain_->usable() > 2 && chain_->Draw(options_.triple_ratio)) {
    TRUCE_ASSIGN_OR_RETURN(Life* const guest, Start(chain_->Guest(current->setting, next)));
    TRUCE_ASSIGN_OR_RETURN(const Window three, Measure(options_.together));
    TRUCE_RETURN_IF_ERROR(WaitForLastOperations(three.end));
    TRUCE_RETURN_IF_ERROR(Keep(three, {current, newcomer, guest}));
    TRUCE_RETURN_IF_ERROR(Finish(guest));
    ++result_.triples;
  }
  TRUCE_RETURN_IF_ERROR(Finish(current));
  ++result_.meetings;
  // What the one that left had dirtied settles.
  TRUCE_RETURN_IF_ERROR(Wait(options_.settle, nullptr));
  return newcomer;
}

absl::Status Collector::RunChain() {
  Life* current = nullptr;
  while (Over().ok()) {
    if (chain_->usable() < 2) {
      return absl::FailedPreconditionError(
          StrCat("fewer than two programs are left: ", absl::StrJoin(result_.left_out, "; ")));
    }
    const absl::StatusOr<Life*> next = current == nullptr ? Start(chain_->First()) : Meet(current);
    if (next.ok()) {
      current = *next;
      continue;
    }
    if (absl::IsCancelled(next.status())) break;
    if (!absl::IsAborted(next.status())) return next.status();
    // A program ended by itself in the middle; everybody starts afresh.
    TRUCE_RETURN_IF_ERROR(FinishAll());
    current = nullptr;
  }
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
  const absl::Status status = RunChain();
  ShowProgress(true);
  const absl::Status finished = FinishAll();
  const absl::Status removed = cgroups_->Remove();
  TRUCE_RETURN_IF_ERROR(status);
  TRUCE_RETURN_IF_ERROR(finished);
  TRUCE_RETURN_IF_ERROR(removed);
  return result_;
}

}  // namespace

absl::StatusOr<CollectResult> Collect(const CollectOptions& options, ShutdownSignals& signals) {
  return Collector(options, signals).Run();
}

}  // namespace truce::lab
