#include "lab/scene.h"

#include <dirent.h>
#include <google/protobuf/util/time_util.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "lab/redis_load.h"
#include "lab/scene_cast.h"
#include "lab/scene_daemons.h"
#include "src/base/child_process.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/cgroup.h"
#include "src/host/scratch_cgroups.h"

namespace truce::lab {
namespace {

using google::protobuf::util::TimeUtil;

// The victim counts as protected when an action is in force and its p99 is within this factor of alone for so long.
constexpr double kProtectedFactor = 1.5;
constexpr int kProtectedSeconds = 3;
constexpr double kContendedScore = 60;  // the shipped policy's trigger
constexpr absl::Duration kWarmUp = absl::Seconds(3);
constexpr absl::Duration kReleaseLimit = absl::Seconds(40);

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixNanos(TimeUtil::TimestampToNanoseconds(time));
}

// "/a/b/redis" -> "redis": what the screen calls a workload.
std::string Short(const std::string& name) {
  return name.substr(name.rfind('/') + 1);
}

std::string Milliseconds(absl::Duration latency) {
  return absl::StrFormat("%8.2f ms", absl::ToDoubleMilliseconds(latency));
}

absl::Duration Median(std::vector<absl::Duration> values) {
  if (values.empty()) return absl::ZeroDuration();
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

// What one phase measured, a value a second.
struct Phase {
  std::vector<absl::Duration> p99;
  std::vector<double> aggressor_cores;
};

// One run of the scene. The members are in the order in which they come to life, so they go in the opposite one.
class Scene {
 public:
  Scene(const SceneOptions& options, ShutdownSignals& signals) : options_(options), signals_(signals) {}
  ~Scene() { CleanUp().IgnoreError(); }

  absl::Status Run() {
    TRUCE_RETURN_IF_ERROR(SetUp());
    Heading();
    TRUCE_RETURN_IF_ERROR(Watch("warming up", kWarmUp, nullptr));
    TRUCE_RETURN_IF_ERROR(Watch("alone", options_.alone, &alone_));
    if (Apart()) return StayApart();
    TRUCE_RETURN_IF_ERROR(StartAggressor());
    TRUCE_RETURN_IF_ERROR(Contend());
    TRUCE_RETURN_IF_ERROR(Watch("protected", options_.protected_for, &protected_));
    StopAggressor();
    TRUCE_RETURN_IF_ERROR(AwaitRelease());
    if (options_.keep) return KeepOn();
    return Summarise();
  }

  absl::Status CleanUp();

 private:
  absl::Status SetUp();
  void Heading();
  // One second of the scene: sleep, measure, look, print. Cancelled after a signal.
  absl::Status Second(const char* phase, Phase* into);
  absl::Status Watch(const char* phase, absl::Duration length, Phase* into);
  absl::Status StartAggressor();
  void StopAggressor();
  absl::Status Contend();
  // Two that don't contend: nothing may be done to them.
  absl::Status StayApart();
  bool Apart() const { return options_.apart > absl::ZeroDuration(); }
  absl::Status AwaitRelease();
  absl::Status KeepOn();
  absl::Status Summarise();
  void NoteMilestones();
  void TellWhatWasDone();
  std::string InShort(std::string text) const;
  void Say(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
  }

  const SceneOptions options_;
  ShutdownSignals& signals_;
  std::unique_ptr<SceneCast> cast_;
  std::vector<std::string> controls_before_;
  std::unique_ptr<SceneDaemons> daemons_;

  absl::Time began_;
  absl::Time onset_;
  std::optional<absl::Time> detected_;
  std::optional<absl::Time> acted_;
  std::optional<absl::Time> relieved_;
  std::set<uint64_t> decisions_told_;
  std::set<std::string> receipts_told_;
  LatencyInterval last_;
  SceneView view_;
  double last_cores_ = 0;
  double highest_score_ = 0;
  Phase alone_, contended_, protected_;
};

absl::Status Scene::SetUp() {
  std::string missing;
  TRUCE_ASSIGN_OR_RETURN(cast_, SceneCast::Create(options_.cgroup_root, Apart(), &missing));
  if (!missing.empty()) Say(StrCat("Missing here: ", missing, ". The scene goes on without."));
  controls_before_ = cast_->Controls();
  Say("Started redis-server; starting truce-controller and truce-agent (mutual TLS, ports chosen by the kernel) ...");
  TRUCE_ASSIGN_OR_RETURN(
      daemons_, StartSceneDaemons({cast_->directory(), options_.binaries, options_.cgroup_root, cast_->victim(),
                                   cast_->aggressor(), options_.scores, options_.scores == "model"}));
  began_ = absl::Now();
  return absl::OkStatus();
}

void Scene::Heading() {
  if (auto view = daemons_->Look(cast_->victim()); view.ok()) view_ = *std::move(view);
  Say(StrCat("\nHost ", view_.host.inventory().host(), "  victim: ", cast_->victim(),
             " (critical)  aggressor: ", cast_->aggressor(), " (best effort)"));
  for (const auto& missing : view_.host.inventory().missing()) {
    Say(StrCat("Missing here: ", missing.name(), " - ", missing.reason(), ". Truce goes on without it."));
  }
  Say("\n time  phase        redis p99  stress CPU  worst pair            score");
}

absl::Status Scene::Second(const char* phase, Phase* into) {
  if (signals_.WaitFor(absl::Seconds(1))) return absl::CancelledError("interrupted");
  last_ = cast_->load().Take();
  last_cores_ = cast_->AggressorCores();
  if (!cast_->load().error().empty()) return absl::UnavailableError(StrCat("redis: ", cast_->load().error()));
  std::string log;
  if (!daemons_->Healthy(&log)) {
    const auto text = host::ReadFile(log);
    return absl::InternalError(StrCat("a daemon ended; its log says:\n", text.ok() ? *text : log));
  }
  if (auto view = daemons_->Look(cast_->victim()); view.ok()) view_ = *std::move(view);
  NoteMilestones();
  if (into != nullptr) {
    into->p99.push_back(last_.p99);
    into->aggressor_cores.push_back(last_cores_);
  }
  const bool scored = view_.worst.score() >= 1;
  Say(absl::StrFormat("%4d s  %-11s %s  %9.2f   %-20s  %5s", absl::ToInt64Seconds(absl::Now() - began_), phase,
                      Milliseconds(last_.p99), last_cores_,
                      scored ? StrCat(Short(view_.worst.victim()), " <- ", Short(view_.worst.aggressor())) : "-",
                      scored ? absl::StrFormat("%.0f", view_.worst.score()) : "-"));
  TellWhatWasDone();
  return absl::OkStatus();
}

void Scene::NoteMilestones() {
  highest_score_ = std::max(highest_score_, view_.worst.score());
  if (onset_ == absl::Time()) return;
  if (!detected_ && view_.worst.score() >= kContendedScore)
    detected_ = std::max(onset_, FromProto(view_.worst.scored_at()));
  if (!acted_) {
    for (const v1::ActionStatus& action : view_.actions) {
      if (action.state() == v1::ACTION_STATE_APPLIED) acted_ = FromProto(action.applied_at());
    }
  }
}

// The workloads' names as the screen has them.
std::string Scene::InShort(std::string text) const {
  return absl::StrReplaceAll(text, {{cast_->victim(), "redis"}, {cast_->aggressor(), "stress"}});
}

void Scene::TellWhatWasDone() {
  for (const v1::Decision& decision : view_.decisions) {
    if (!decisions_told_.insert(decision.id()).second) continue;
    Say(StrCat("        => ", decision.verdict(), ": ", InShort(decision.reason())));
  }
  for (const v1::ReceiptRecord& record : view_.receipts) {
    if (!receipts_told_.insert(record.receipt().action().lease_id() + record.receipt().detail()).second) continue;
    Say(StrCat("        => receipt: ", InShort(record.receipt().detail())));
  }
}

absl::Status Scene::Watch(const char* phase, absl::Duration length, Phase* into) {
  const absl::Time end = absl::Now() + length;
  while (absl::Now() < end) TRUCE_RETURN_IF_ERROR(Second(phase, into));
  return absl::OkStatus();
}

absl::Status Scene::StartAggressor() {
  TRUCE_RETURN_IF_ERROR(cast_->StartAggressor());
  onset_ = absl::Now();
  Say(StrCat("        --- stress-ng starts: ", cast_->workers(), " workers on ",
             Apart() ? "CPUs of their own" : "the same CPUs", " ---"));
  return absl::OkStatus();
}

void Scene::StopAggressor() {
  Say("        --- stress-ng stops ---");
  cast_->StopAggressor();
}

absl::Status Scene::StayApart() {
  TRUCE_RETURN_IF_ERROR(StartAggressor());
  TRUCE_RETURN_IF_ERROR(Watch("apart", options_.apart, &protected_));
  StopAggressor();
  Say(absl::StrFormat("\nSummary: redis p99 %s alone,%s beside stress-ng on another CPU; highest score %.0f",
                      Milliseconds(Median(alone_.p99)), Milliseconds(Median(protected_.p99)), highest_score_));
  if (acted_) return absl::InternalError("Truce acted, though the two did not contend");
  Say(StrCat("No action was taken in ", absl::FormatDuration(options_.apart)));
  return absl::OkStatus();
}

absl::Status Scene::Contend() {
  const absl::Duration good = kProtectedFactor * Median(alone_.p99);
  const absl::Time give_up = onset_ + options_.protection_limit;
  int good_seconds = 0;
  std::optional<absl::Time> relief;
  while (good_seconds < kProtectedSeconds) {
    if (absl::Now() > give_up) {
      return absl::DeadlineExceededError(StrCat("the victim was not protected within ",
                                                absl::FormatDuration(options_.protection_limit),
                                                " of the aggressor's start"));
    }
    const bool acted_before = acted_.has_value();
    TRUCE_RETURN_IF_ERROR(Second(acted_ ? "acting" : "contended", acted_ ? nullptr : &contended_));
    // The second in which the action fell belongs to neither phase.
    if (!acted_before || last_.requests == 0 || last_.p99 > good) {
      good_seconds = 0;
      relief.reset();
      continue;
    }
    if (!relief) relief = absl::Now();
    ++good_seconds;
  }
  relieved_ = relief;
  return absl::OkStatus();
}

absl::Status Scene::AwaitRelease() {
  const absl::Time give_up = absl::Now() + kReleaseLimit;
  while (absl::Now() < give_up) {
    TRUCE_RETURN_IF_ERROR(Second("releasing", nullptr));
    if (view_.actions.empty() && cast_->Controls() == controls_before_) return absl::OkStatus();
  }
  std::string changed;
  const std::vector<std::string> now = cast_->Controls();
  for (size_t i = 0; i < std::min(now.size(), controls_before_.size()); ++i) {
    if (now[i] != controls_before_[i]) StrAppend(&changed, "\n  was ", controls_before_[i], "  is  ", now[i]);
  }
  return absl::DeadlineExceededError(StrCat("not everything was restored within ", absl::FormatDuration(kReleaseLimit),
                                            " of the aggressor's end", changed));
}

absl::Status Scene::KeepOn() {
  TRUCE_RETURN_IF_ERROR(Summarise());
  Say(
      StrCat("\nStaying up; stress-ng comes back for a minute every other minute. Ctrl-C ends everything. In another "
             "terminal:\n  ",
             daemons_->Environment(), " PATH=", options_.binaries, ":$PATH\n",
             "  trucectl get pairs --watch\n  trucectl explain redis\n  trucectl describe workload stress\n"
             "  trucectl hold --reason 'my turn'      (and: trucectl resume)\n"));
  while (true) {
    TRUCE_RETURN_IF_ERROR(StartAggressor());
    TRUCE_RETURN_IF_ERROR(Watch("aggressor", absl::Minutes(1), nullptr));
    StopAggressor();
    TRUCE_RETURN_IF_ERROR(Watch("quiet", absl::Minutes(1), nullptr));
  }
}

absl::Status Scene::Summarise() {
  const absl::Duration alone = Median(alone_.p99);
  const absl::Duration contended = Median(contended_.p99);
  const absl::Duration guarded = Median(protected_.p99);
  const double had = Mean(contended_.aggressor_cores);
  const double kept = Mean(protected_.aggressor_cores);
  auto since_onset = [this](const std::optional<absl::Time>& when) {
    return when ? absl::StrFormat("%.1f s", absl::ToDoubleSeconds(*when - onset_)) : std::string("never");
  };
  Say("\nSummary (medians of one-second p99s)");
  Say(StrCat("  redis p99 alone        ", Milliseconds(alone)));
  Say(StrCat("  redis p99 contended    ", Milliseconds(contended),
             absl::StrFormat("   %.1f x alone", absl::FDivDuration(contended, alone))));
  Say(StrCat("  redis p99 protected    ", Milliseconds(guarded),
             absl::StrFormat("   %.2f x alone, %.1f times better than contended", absl::FDivDuration(guarded, alone),
                             absl::FDivDuration(contended, guarded))));
  Say(absl::StrFormat("  stress-ng kept         %8.0f %%    of its CPU time (%.2f of %.2f cores)",
                      had > 0 ? 100 * kept / had : 0, kept, had));
  Say(StrCat("  detected after         ", absl::StrFormat("%11s", since_onset(detected_))));
  Say(StrCat("  acted after            ", absl::StrFormat("%11s", since_onset(acted_))));
  Say(StrCat("  protected after        ", absl::StrFormat("%11s", since_onset(relieved_)), "   p99 back within ",
             absl::StrFormat("%.1f", kProtectedFactor), " x alone, and staying there"));

  Say(StrCat("  restored               every one of ", controls_before_.size(),
             " control files is as it was before, byte for byte"));
  return absl::OkStatus();
}

absl::Status Scene::CleanUp() {
  absl::Status status;
  if (daemons_ != nullptr && daemons_->Stop() != 0) {
    const auto log = host::ReadFile(cast_->directory() + "/agent.log");
    status = absl::InternalError(StrCat("truce-agent did not stop cleanly; its log says:\n", log.ok() ? *log : ""));
  }
  daemons_.reset();
  if (cast_ != nullptr) {
    if (absl::Status removed = cast_->CleanUp(); status.ok()) status = removed;
    cast_.reset();
  }
  return status;
}

}  // namespace

absl::Status RunScene(const SceneOptions& options, ShutdownSignals& signals) {
  Scene scene(options, signals);
  const absl::Status status = scene.Run();
  const absl::Status cleaned = scene.CleanUp();
  return status.ok() ? cleaned : status;
}

}  // namespace truce::lab
