#include "controller/learn/retrainer.h"

#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

#include "models/forecast/demand_history_file.h"
#include "models/forecast/demand_model_file.h"
#include "src/base/atomic_file.h"
#include "src/base/background.h"
#include "src/base/program.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr absl::Duration kGrace = absl::Seconds(1);
// What ChildProcess ends with when it can't become the program.
constexpr int kNotThere = 127;
constexpr char kBest[] = "demand.truce";
constexpr char kPrefix[] = "retraining-";
constexpr char kChampion[] = "retraining-champion.truce";
constexpr char kChallenger[] = "retraining-challenger.truce";
constexpr char kHistory[] = "retraining-history";

// Removes what a training needs, now and at its end: what people used is nobody's business afterwards.
class Tidy {
 public:
  explicit Tidy(const std::string& directory) : directory_(directory) { Remove(); }
  ~Tidy() { Remove(); }
  Tidy(const Tidy&) = delete;
  Tidy& operator=(const Tidy&) = delete;

 private:
  void Remove() const {
    std::error_code ignored;
    std::vector<std::filesystem::path> left;
    for (std::filesystem::directory_iterator at(directory_, ignored), end; !ignored && at != end;
         at.increment(ignored)) {
      const std::filesystem::directory_entry& entry = *at;
      if (entry.path().filename().string().starts_with(kPrefix)) left.push_back(entry.path());
    }
    for (const auto& path : left) std::filesystem::remove(path, ignored);
  }
  const std::string directory_;
};

absl::StatusOr<std::string> ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  if (!file || !(bytes << file.rdbuf())) return ErrnoStatus(errno, StrCat("reading ", path));
  return std::move(bytes).str();
}

absl::Status Write(const std::string& path, std::string_view bytes) {
  return WriteFileAtomically(path, bytes, 0600, IfExists::kReplace);
}

// One that says nothing of what it must say is no verdict.
absl::StatusOr<v1::RetrainingVerdict> ParseVerdict(const std::string& text) {
  v1::RetrainingVerdict verdict;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const bool parsed = google::protobuf::util::JsonStringToMessage(text, &verdict, options).ok();
  const bool sound = parsed && !verdict.sentence().empty() && !verdict.challenger_sha256().empty() &&
                     std::isfinite(verdict.gain_ratio()) && verdict.p_value() >= 0 && verdict.p_value() <= 1;
  if (!sound) return absl::InternalError("truce-lab retrain answered with something that is no verdict");
  return verdict;
}

}  // namespace

Retrainer::~Retrainer() {
  stop_ = true;
  std::thread last;
  {
    absl::MutexLock lock(&mutex_);
    last = std::move(thread_);
  }
  if (last.joinable()) last.join();
}

bool Retrainer::Start(std::optional<std::string> champion, v1::DemandHistoryFile history) {
  absl::MutexLock lock(&mutex_);
  if (running_ || outcome_.has_value()) return false;
  if (thread_.joinable()) thread_.join();  // it has nothing left to do
  running_ = true;
  thread_ = std::thread([this, champion = std::move(champion), history = std::move(history)] {
    Outcome outcome = Train(champion, history);
    absl::MutexLock done(&mutex_);
    outcome_ = std::move(outcome);
    running_ = false;
  });
  return true;
}

bool Retrainer::running() const {
  absl::MutexLock lock(&mutex_);
  return running_;
}

std::optional<Retrainer::Outcome> Retrainer::TakeOutcome() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(outcome_, std::nullopt);
}

void Retrainer::ForgetBest() const {
  std::error_code ignored;
  std::filesystem::remove(File(kBest), ignored);
}

std::string Retrainer::File(std::string_view name) const {
  return StrCat(options_.directory, "/", name);
}

absl::Status Retrainer::Prepare(const std::optional<std::string>& champion,
                                const v1::DemandHistoryFile& history) const {
  std::string bytes;
  if (champion) {
    bytes = *champion;
  } else {
    auto best = ReadBytes(File(kBest));
    if (!best.ok()) best = ReadBytes(options_.shipped_model);
    if (!best.ok()) {
      return absl::FailedPreconditionError(
          StrCat("there is no demand model to retrain: ", StdView(best.status().message()),
                 "; install the one that comes ", "with Truce, or set retraining.enabled to false"));
    }
    bytes = *std::move(best);
  }
  TRUCE_RETURN_IF_ERROR(Write(File(kChampion), bytes));
  return Write(File(kHistory), SerializeDemandHistory(history));
}

Retrainer::Outcome Retrainer::Train(const std::optional<std::string>& champion,
                                    const v1::DemandHistoryFile& history) const {
  Outcome outcome;
  if (access(options_.program.c_str(), X_OK) != 0) {
    outcome.status = absl::FailedPreconditionError(
        StrCat("there is no ", options_.program, ", which retrains the demand model; install truce-lab there, name it ",
               "in retraining.program, or set retraining.enabled to false"));
    return outcome;
  }
  const absl::Status made = MakeDirectory(options_.directory, 0700);
  if (!made.ok()) {
    outcome.status = absl::InternalError(StrCat("retraining.directory: ", StdView(made.message())));
    return outcome;
  }
  const Tidy tidy(options_.directory);
  outcome.status = Prepare(champion, history);
  if (!outcome.status.ok()) return outcome;
  auto verdict = RunChild();
  outcome.status = verdict.status();
  if (!verdict.ok()) return outcome;
  outcome.verdict = *std::move(verdict);
  if (!outcome.verdict.promoted()) return outcome;
  auto challenger = TakeChallenger(outcome.verdict);
  outcome.status = challenger.status();
  if (challenger.ok()) outcome.challenger = *std::move(challenger);
  return outcome;
}

absl::StatusOr<Challenger> Retrainer::TakeChallenger(const v1::RetrainingVerdict& verdict) const {
  auto bytes = ReadBytes(File(kChallenger));
  if (!bytes.ok()) return absl::InternalError(StrCat("the better model: ", StdView(bytes.status().message())));
  // It goes to every host: it is looked at here, and it must be what was judged.
  const auto parsed = ParseDemandModel(*bytes, "the challenger");
  if (!parsed.ok()) return absl::InternalError(parsed.status().message());
  if (ModelDigest(*bytes) != verdict.challenger_sha256()) {
    return absl::InternalError("truce-lab retrain left another model than the one that it judged");
  }
  TRUCE_RETURN_IF_ERROR(Write(File(kBest), *bytes));
  return Challenger{*std::move(bytes), File(kBest), verdict.sentence()};
}

absl::StatusOr<v1::RetrainingVerdict> Retrainer::RunChild() const {
  ProgramOptions run;
  run.arguments = {options_.program, "retrain",  "--champion",      File(kChampion), "--input",
                   File(kHistory),   "--output", File(kChallenger), "--threads",     "1"};
  run.patience = options_.time_limit;
  run.cancelled = &stop_;
  run.grace = kGrace;
  run.before_start = [memory = options_.memory_bytes] { return EnterBackground(memory); };
  TRUCE_ASSIGN_OR_RETURN(const ProgramResult result, RunProgram(run));
  if (result.end == ProgramResult::End::kCancelled) return absl::CancelledError("the controller stops");
  if (result.end == ProgramResult::End::kTimedOut) {
    return absl::DeadlineExceededError(
        StrCat("retraining was not done within ", absl::FormatDuration(options_.time_limit),
               "; it only gets CPU time that nobody else wants: give it more of it, or raise retraining.time_limit"));
  }
  const std::string last = result.last_error.empty() ? "it said nothing" : result.last_error;
  if (result.exit_code == kNotThere) return absl::FailedPreconditionError(last);
  if (result.exit_code > 128) {
    return absl::InternalError(StrCat("truce-lab retrain was ended by signal ", result.exit_code - 128, " (", last,
                                      "); it may have ", options_.memory_bytes >> 20,
                                      " MiB of memory (retraining.memory_mib)"));
  }
  if (result.exit_code != 0) return absl::InternalError(StrCat("truce-lab retrain failed: ", last));
  return ParseVerdict(result.output);
}

}  // namespace truce::controller
