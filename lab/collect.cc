#include "lab/collect.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <set>

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
  absl::Status ChooseCpus();
  absl::Status ChoosePrograms();
  absl::Status RunChain();
  // One link of the chain; `current` runs alone at its begin and is replaced by its successor.
  absl::Status Meet(std::unique_ptr<Life>& current);
  absl::StatusOr<std::unique_ptr<Life>> Start(const Setting& setting);
  absl::Status Finish(std::unique_ptr<Life> life);
  // Waits and samples; Cancelled on a signal or when the budget is used up.
  absl::Status Wait(absl::Duration duration, Window* window);
  absl::Status WaitForFirstOperation(const Life& life);
  absl::Status Tick(Window* window);
  absl::StatusOr<Window> Measure(absl::Duration duration);
  absl::Status Keep(const Window& window, const std::vector<Life*>& members);
  void Fail(const Setting& setting, const absl::Status& why);
  void ShowProgress(bool last);
  bool Over() const { return absl::Now() >= end_; }

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
  std::vector<Life*> running_;
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
      status = SetUp(program, options_.work_directory);
    }
    if (status.ok()) {
      programs_.push_back(std::move(program));
    } else {
      result_.left_out.push_back(StrCat(program.name, ": ", StdView(status.message())));
    }
  }
  failures_.assign(programs_.size(), 0);
  if (programs_.size() >= 2) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat("fewer than two programs can run here: ", absl::StrJoin(result_.left_out, "; ")));
}

absl::Status Collector::Prepare() {
  std::error_code error;
  std::filesystem::create_directories(options_.work_directory, error);
  if (error) return ErrnoStatus(error.value(), StrCat("making ", options_.work_directory));
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

absl::StatusOr<std::unique_ptr<Life>> Collector::Start(const Setting& setting) {
  auto life = std::make_unique<Life>();
  life->setting = setting;
  const Program& program = programs_[setting.program];
  RunOptions run{setting.load, setting.cpus, options_.work_directory, options_.load_tool};
  TRUCE_ASSIGN_OR_RETURN(life->program,
                         RunningProgram::Start(program, run, *cgroups_, StrCat(program.name, "-", next_child_++)));
  life->record.program = program.name;
  life->record.load = LoadName(setting.load);
  life->record.cpus = setting.cpus;
  observer_->Expect();
  running_.push_back(life.get());
  absl::Status status = WaitForFirstOperation(*life);
  if (status.ok()) {
    auto id = dataset_->Add(life->record, program);
    status = id.status();
    if (id.ok()) life->record.id = *id;
  }
  if (status.ok()) return life;
  std::erase(running_, life.get());
  if (!absl::IsCancelled(status)) Fail(setting, status);
  return status;
}

void Collector::Fail(const Setting& setting, const absl::Status& why) {
  const std::string& name = programs_[setting.program].name;
  const std::string reason(StdView(why.message()));
  std::fprintf(stderr, "\n%s\n", reason.c_str());
  if (++failures_[setting.program] == kMostFailures) result_.left_out.push_back(StrCat(name, ": ", reason));
}

absl::Status Collector::WaitForFirstOperation(const Life& life) {
  const absl::Time limit = absl::Now() + kFirstOperationLimit;
  while (!life.program->meter().first_end()) {
    TRUCE_RETURN_IF_ERROR(Wait(kPoll, nullptr));
    if (absl::Now() < limit) continue;
    return absl::DeadlineExceededError(
        StrCat(life.program->program().name, " did nothing within ", absl::FormatDuration(kFirstOperationLimit)));
  }
  return Wait(options_.settle, nullptr);
}

absl::Status Collector::Finish(std::unique_ptr<Life> life) {
  std::erase(running_, life.get());
  TRUCE_RETURN_IF_ERROR(life->program->Stop());
  observer_->Expect();
  result_.samples += static_cast<int64_t>(life->record.samples.size());
  return dataset_->AddSamples(life->record);
}

absl::Status Collector::Tick(Window* window) {
  observer_->Tick();
  const absl::Time now = absl::Now();
  double member_cores = 0;
  for (Life* life : running_) {
    auto sample = observer_->Observe(*life->program);
    if (!sample) continue;
    sample->at = Seconds(now);
    const Performance last = life->program->meter().Between(now - kTick, now);
    sample->operations = last.operations;
    sample->busy_seconds = last.busy_seconds;
    member_cores += sample->readings.value_or(Reading::kCpuUsageCores, 0);
    life->record.samples.push_back(*std::move(sample));
  }
  if (window == nullptr) return absl::OkStatus();
  ++window->ticks;
  window->steal += observer_->steal_ratio().value_or(0);
  window->busy_cores += observer_->busy_ratio().value_or(0) * static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
  window->member_cores += member_cores;
  return absl::OkStatus();
}

absl::Status Collector::Wait(absl::Duration duration, Window* window) {
  const absl::Time end = absl::Now() + duration;
  do {
    if (absl::Now() >= next_tick_) {
      TRUCE_RETURN_IF_ERROR(Tick(window));
      next_tick_ = std::max(next_tick_ + kTick, absl::Now());
      ShowProgress(false);
    }
    const absl::Time until = std::min({end, next_tick_, absl::Now() + kPoll});
    if (signals_.WaitFor(std::max(absl::ZeroDuration(), until - absl::Now())))
      return absl::CancelledError("interrupted");
    if (Over()) return absl::CancelledError("the budget is used up");
    for (Life* life : running_) {
      const absl::Status status = life->program->Poll();
      if (status.ok()) continue;
      Fail(life->setting, status);
      return status;
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

absl::Status Collector::Meet(std::unique_ptr<Life>& current) {
  const Setting next = chain_->Next(current->setting);
  if (failures_[next.program] >= kMostFailures) return absl::OkStatus();
  TRUCE_ASSIGN_OR_RETURN(const Window alone, Measure(options_.alone));
  auto newcomer = Start(next);
  if (!newcomer.ok()) {
    if (absl::IsCancelled(newcomer.status()) || running_.empty()) return newcomer.status();
    return Keep(alone, {current.get()});
  }
  TRUCE_ASSIGN_OR_RETURN(const Window together, Measure(options_.together));
  std::optional<Window> three;
  if (chain_->Draw(options_.triple_ratio) && programs_.size() > 2) {
    auto guest = Start(chain_->Guest(current->setting, next));
    if (guest.ok()) {
      TRUCE_ASSIGN_OR_RETURN(three, Measure(options_.together));
      TRUCE_RETURN_IF_ERROR(Keep(*three, {current.get(), newcomer->get(), guest->get()}));
      TRUCE_RETURN_IF_ERROR(Finish(*std::move(guest)));
      ++result_.triples;
    } else if (absl::IsCancelled(guest.status())) {
      return guest.status();
    }
  }
  TRUCE_RETURN_IF_ERROR(Keep(alone, {current.get()}));
  TRUCE_RETURN_IF_ERROR(Keep(together, {current.get(), newcomer->get()}));
  TRUCE_RETURN_IF_ERROR(Finish(std::move(current)));
  current = *std::move(newcomer);
  ++result_.meetings;
  // What the one that left had dirtied settles.
  return Wait(options_.settle, nullptr);
}

absl::Status Collector::RunChain() {
  std::unique_ptr<Life> current;
  absl::Status status;
  while (!absl::IsCancelled(status)) {
    if (current == nullptr) {
      if (std::count_if(failures_.begin(), failures_.end(), [](int count) { return count < kMostFailures; }) < 2) {
        return absl::FailedPreconditionError(
            StrCat("too many programs failed: ", absl::StrJoin(result_.left_out, "; ")));
      }
      auto first = Start(chain_->First());
      status = first.status();
      if (first.ok()) current = *std::move(first);
      continue;
    }
    status = Meet(current);
    if (status.ok() || absl::IsCancelled(status)) continue;
    if (absl::IsDataLoss(status)) return status;
    // A program ended by itself in the middle; everybody starts afresh.
    running_.clear();
    current.reset();
  }
  running_.clear();
  return absl::OkStatus();
}

void Collector::ShowProgress(bool last) {
  const absl::Time now = absl::Now();
  const bool terminal = isatty(STDERR_FILENO) != 0;
  if (!last && now - shown_ < (terminal ? absl::Seconds(1) : absl::Seconds(30))) return;
  shown_ = now;
  std::string who;
  for (const Life* life : running_) StrAppend(&who, who.empty() ? "" : " + ", life->program->program().name);
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
  const absl::Status removed = cgroups_->Remove();
  TRUCE_RETURN_IF_ERROR(status);
  TRUCE_RETURN_IF_ERROR(removed);
  return result_;
}

}  // namespace

absl::StatusOr<CollectResult> Collect(const CollectOptions& options, ShutdownSignals& signals) {
  return Collector(options, signals).Run();
}

}  // namespace truce::lab
