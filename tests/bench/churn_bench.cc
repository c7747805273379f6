// truce-bench churn: cgroups come and go, with actions on them, as on a host that starts a container every moment. The
// agent's own sampler and actuator on real cgroups; actions are drawn at random instead of planned, so that every lever
// meets a cgroup that is about to vanish.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "absl/strings/str_format.h"
#include "agent/act/actuator.h"
#include "agent/sense/sampler.h"
#include "agent/target.h"
#include "src/base/child_process.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/scratch_cgroups.h"
#include "src/host/writer_host.h"
#include "tests/bench/bench.h"

namespace truce::bench {
namespace {

constexpr absl::Duration kTick = absl::Seconds(1);
// Cgroups that live at a time, and workloads that are under actions at a time.
constexpr size_t kLiving = 40;
constexpr size_t kUnderAction = 8;

// The first whole disk, as "254:0"; empty when there is none.
std::string SomeDisk() {
  std::error_code error;
  for (const auto& block : std::filesystem::directory_iterator("/sys/block", error)) {
    auto device = host::ReadFile(block.path().string() + "/dev");
    if (device.ok()) return device->substr(0, device->find('\n'));
  }
  return "";
}

struct OwnUse {
  double descriptors = 0;
  double rss_bytes = 0;
};

OwnUse Measure() {
  OwnUse use;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++use.descriptors;
  if (const auto statm = host::ReadFile("/proc/self/statm"); statm.ok()) {
    std::string_view rest = *statm;
    host::NextWord(&rest);
    use.rss_bytes = static_cast<double>(host::FirstNumber(host::NextWord(&rest)).value_or(0)) *
                    static_cast<double>(sysconf(_SC_PAGESIZE));
  }
  return use;
}

class Churn {
 public:
  Churn(const ChurnBenchOptions& options, const Surroundings& surroundings)
      : options_(options), surroundings_(surroundings) {}

  ~Churn() {
    std::error_code error;
    if (!directory_.empty()) std::filesystem::remove_all(directory_, error);
  }

  absl::StatusOr<BenchResult> Run() {
    TRUCE_RETURN_IF_ERROR(Prepare());
    const absl::Duration begin = surroundings_.clock->Monotonic();
    Progress progress(surroundings_.messages, surroundings_.clock, 20);
    OwnUse early;
    int shown = 0;
    for (int tick = 0; surroundings_.clock->Monotonic() - begin < options_.duration; ++tick) {
      const double share = absl::FDivDuration(surroundings_.clock->Monotonic() - begin, options_.duration);
      if (20 * share >= shown) progress.Step(StrCat(++shown, " of 20, ", made_, " cgroups made"));
      // A little ahead of time, so that a slow end leaves none out.
      const auto due = static_cast<int>(std::ceil(options_.cgroups * std::min(1.0, share / 0.9 + 0.01)));
      TRUCE_RETURN_IF_ERROR(ComeAndGo(due));
      Act(tick);
      // What is under an action may vanish between any two of the agent's steps.
      if (tick % 3 == 0 && living_.size() > kLiving / 2) TRUCE_RETURN_IF_ERROR(EndOne());
      sampler_->Tick();
      actuator_->Tick(targets_);
      Count();
      // Everything that grows to its usual size has done so by then.
      if (share >= 0.2 && early.descriptors == 0) early = Measure();
      if (!SleepUnlessStopped(surroundings_, begin + (tick + 1) * kTick - surroundings_.clock->Monotonic())) {
        return absl::CancelledError("interrupted");
      }
    }
    const OwnUse late = Measure();
    const absl::Status restored = actuator_->RestoreAll(v1::RECEIPT_OUTCOME_SHUTDOWN);
    Count();
    while (!living_.empty()) TRUCE_RETURN_IF_ERROR(EndOne());
    const absl::Status removed = cgroups_->Remove();
    return Report(early, late, restored, removed);
  }

 private:
  struct Member {
    std::string child;
    std::string workload;
    ChildProcess process;
  };

  absl::Status Prepare() {
    TRUCE_ASSIGN_OR_RETURN(layout_, host::CgroupLayout::Detect(surroundings_.cgroup_root));
    TRUCE_RETURN_IF_ERROR(host::ScratchCgroups::RemoveAbandoned(*layout_, "truce-churn-"));
    const std::string name = StrCat("truce-churn-", getpid());
    TRUCE_ASSIGN_OR_RETURN(auto cgroups, host::ScratchCgroups::Create(*layout_, name));
    cgroups_.emplace(std::move(cgroups));
    auto traffic = host::Traffic::Open(*layout_);
    if (traffic.ok()) traffic_ = *std::move(traffic);
    writer_.emplace(host::HostControlWriterOptions{.traffic = traffic_.get()});
    agent::SamplerOptions sampling;
    sampling.slow_every = 1;
    agent::DiscoveryRule rule;
    rule.match = name + "/*";
    rule.workload_class = v1::WORKLOAD_CLASS_BEST_EFFORT;
    rule.mode_ceiling = v1::MODE_ENFORCE;
    rule.levers = {v1::LEVER_CPU_PIN,        v1::LEVER_CPU_QUOTA, v1::LEVER_CPU_WEIGHT, v1::LEVER_CPU_IDLE,
                   v1::LEVER_MEMORY_SQUEEZE, v1::LEVER_DISK_CAP,  v1::LEVER_NETWORK_CAP};
    levers_ = rule.levers;
    sampling.rules = {rule};
    sampler_ = std::make_unique<agent::Sampler>(sampling, *layout_, *surroundings_.clock, nullptr, traffic_.get());
    std::string pattern = (std::filesystem::temp_directory_path() / "truce-churn-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) return ErrnoStatus(errno, "making a temporary directory");
    directory_ = pattern;
    agent::ActuatorOptions acting;
    acting.state_directory = directory_ + "/state";
    acting.changes_per_minute = 100'000;
    TRUCE_ASSIGN_OR_RETURN(actuator_, agent::OpenActuator(acting, *layout_, *surroundings_.clock, *writer_));
    targets_ = [this](const std::string& workload) -> std::optional<agent::ActionTarget> {
      const agent::Workload* found = sampler_->Find(workload);
      return found == nullptr ? std::nullopt : std::optional(agent::TargetOf(*found));
    };
    return absl::OkStatus();
  }

  // Makes cgroups until `due` were made in all, and ends the oldest.
  absl::Status ComeAndGo(int due) {
    while (made_ < std::min(due, options_.cgroups)) {
      const std::string child = StrCat("c", ++made_);
      TRUCE_ASSIGN_OR_RETURN(const std::string workload, cgroups_->Add(child));
      ChildOptions sleeping;
      sleeping.arguments = {"sleep", "3600"};
      sleeping.before_exec = [this, &child] { return cgroups_->Enter(child, 0); };
      TRUCE_ASSIGN_OR_RETURN(ChildProcess process, ChildProcess::Start(sleeping));
      living_.push_back({child, workload, std::move(process)});
      if (living_.size() > kLiving) TRUCE_RETURN_IF_ERROR(EndOne());
    }
    return absl::OkStatus();
  }

  absl::Status EndOne() {
    Member member = std::move(living_.front());
    living_.pop_front();
    member.process.Kill();
    TRUCE_RETURN_IF_ERROR(cgroups_->EndAndDrop(member.child));
    ++removed_;
    return absl::OkStatus();
  }

  v1::LeasedAction AnyAction(const std::string& workload, v1::Lever lever, int tick) {
    v1::LeasedAction action;
    action.set_lease_id(StrCat(workload, "-", lever, "-", tick / 5));
    action.set_workload(workload);
    action.set_lever(lever);
    action.set_mode(v1::MODE_ENFORCE);
    action.mutable_time_to_live()->set_seconds(10);
    action.set_cpus("0");
    action.set_quota_cores(0.5);
    action.set_cpu_weight(1 + random_() % 100);
    action.set_memory_high_bytes(16 << 20);
    action.set_network_bytes_per_second(1 << 20);
    if (lever == v1::LEVER_DISK_CAP && !disk_.empty()) {
      v1::DiskCap& cap = *action.add_disk_caps();
      cap.set_device(disk_);
      cap.set_read_bytes_per_second(10 << 20);
    }
    return action;
  }

  // Every five ticks other workloads are wanted under other actions.
  void Act(int tick) {
    if (tick % 5 == 0) {
      wanted_.clear();
      for (size_t i = 0; i < kUnderAction && !living_.empty(); ++i) {
        wanted_.insert({living_[random_() % living_.size()].workload, levers_[random_() % levers_.size()]});
      }
    }
    v1::DesiredSet desired;
    for (const auto& [workload, lever] : wanted_) *desired.add_actions() = AnyAction(workload, lever, tick);
    const v1::DesiredSetResult results = actuator_->Apply(desired, targets_);
    for (const v1::ActionResult& result : results.results()) {
      ++(result.state() == v1::ACTION_STATE_APPLIED ? applied_ : refused_);
    }
  }

  void Count() {
    for (const v1::Event& event : actuator_->TakeEvents()) {
      ++events_[event.kind()];
      const bool bad = event.kind() == "restore_failed" || event.kind() == "journal_damaged" ||
                       event.kind() == "action_failed" || event.kind() == "control_given_up";
      if (bad && problems_.size() < 10) problems_.push_back(StrCat(event.kind(), ": ", event.message()));
      troubles_ += bad;
      const bool gone =
          event.kind() == "action_refused" && (event.message().find("went away") != std::string::npos ||
                                               event.message().find("No such file or directory") != std::string::npos ||
                                               event.message().find("lives on this host") != std::string::npos);
      if (event.kind() == "action_refused" && !gone) ++refusals_[event.message().substr(event.message().find(':') + 1)];
    }
    for (const v1::Receipt& receipt : actuator_->TakeReceipts()) ++outcomes_[EnumWord(receipt.outcome())];
  }

  absl::StatusOr<BenchResult> Report(const OwnUse& early, const OwnUse& late, const absl::Status& restored,
                                     const absl::Status& removed) {
    BenchResult result;
    result.notes.push_back(StrCat(made_, " cgroups made and ", removed_, " removed; ", applied_,
                                  " times an action was in force or renewed, ", refused_, " times refused"));
    for (const auto& [outcome, count] : outcomes_) result.notes.push_back(StrCat("receipts ", outcome, ": ", count));
    for (const auto& [kind, count] : events_) result.notes.push_back(StrCat("events ", kind, ": ", count));
    for (const auto& [reason, count] : refusals_) result.notes.push_back(StrCat("refused ", count, " times:", reason));
    for (const std::string& problem : problems_) result.notes.push_back(problem);
    for (const absl::Status& status : {restored, removed}) {
      if (!status.ok()) result.notes.push_back(std::string(StdView(status.message())));
    }
    FigureTable& table = result.table;
    table.Add({"cgroups made", static_cast<double>(made_), "count", std::nullopt,
               AtLeast(static_cast<double>(options_.cgroups))});
    table.Add({"receipts", static_cast<double>(Sum(outcomes_)), "count", std::nullopt, AtLeast(1)});
    table.Add(
        {"errors other than that a cgroup is gone", static_cast<double>(troubles_), "count", std::nullopt, AtMost(0)});
    table.Add({"descriptors, from a fifth of the time to its end", late.descriptors - early.descriptors, "count",
               std::nullopt, AtMost(static_cast<double>(kLiving))});
    table.Add({"memory, from a fifth of the time to its end", (late.rss_bytes - early.rss_bytes) / (1 << 20), "MiB",
               std::nullopt, AtMost(2)});
    table.Add({"restored and removed at the end", restored.ok() && removed.ok() ? 1.0 : 0.0, "ratio", std::nullopt,
               AtLeast(1)});
    return result;
  }

  static int Sum(const std::map<std::string, int>& counts) {
    int sum = 0;
    for (const auto& [_, count] : counts) sum += count;
    return sum;
  }

  const ChurnBenchOptions options_;
  const Surroundings& surroundings_;
  std::mt19937_64 random_{1};
  std::optional<host::CgroupLayout> layout_;
  std::optional<host::ScratchCgroups> cgroups_;
  std::unique_ptr<host::Traffic> traffic_;
  std::optional<host::HostControlWriter> writer_;
  std::unique_ptr<agent::Sampler> sampler_;
  std::unique_ptr<agent::Actuator> actuator_;
  agent::TargetLookup targets_;
  std::vector<v1::Lever> levers_;
  std::string disk_ = SomeDisk();
  std::string directory_;
  std::deque<Member> living_;
  std::set<std::pair<std::string, v1::Lever>> wanted_;
  int made_ = 0;
  int removed_ = 0;
  int applied_ = 0;
  int refused_ = 0;
  int troubles_ = 0;
  std::map<std::string, int> outcomes_;
  std::map<std::string, int> events_;
  std::map<std::string, int> refusals_;
  std::vector<std::string> problems_;
};

}  // namespace

absl::StatusOr<BenchResult> RunChurnBench(const ChurnBenchOptions& options, const Surroundings& surroundings) {
  return Churn(options, surroundings).Run();
}

}  // namespace truce::bench
