#include "models/forecast/best_of.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "src/base/status.h"
#include "src/base/text.h"

namespace truce {
namespace {

// Where methods are judged; a step between two is decided as the later one is.
constexpr std::array<size_t, 4> kJudgedSteps = {1, 3, 6, 12};
constexpr std::array<double, 2> kJudgedQuantiles = {0.5, 0.95};
// Every so many values: forecasts cost more than they teach when they overlap.
constexpr size_t kJudgedEvery = 3;
// So much better another has to be than the first.
constexpr double kClearly = 0.97;

double QuantileLoss(double quantile, double said, double came) {
  return came >= said ? quantile * (came - said) : (1 - quantile) * (said - came);
}

size_t JudgedAt(size_t step) {
  const auto at = std::lower_bound(kJudgedSteps.begin(), kJudgedSteps.end(), step);
  return std::min<size_t>(static_cast<size_t>(at - kJudgedSteps.begin()), kJudgedSteps.size() - 1);
}

// Losses of one method, newest heaviest.
struct Record {
  std::array<double, kJudgedSteps.size()> value = {};
  std::array<double, kJudgedSteps.size()> peak = {};
};

struct Member {
  Contender contender;
  // The same, when it is led.
  LedForecaster* led = nullptr;
  Record record;
  bool takes_part = true;
};

// What a method said at kJudgedSteps, less the newest value then.
struct Claim {
  std::array<std::array<float, kJudgedQuantiles.size()>, kJudgedSteps.size()> values = {};
  // The upper quantile of the peak.
  std::array<float, kJudgedSteps.size()> peaks = {};
  // How many of kJudgedSteps it reaches.
  size_t reaches = 0;
};

// What all said at one moment, to be judged by what comes.
struct Said {
  double newest = 0;
  std::vector<Claim> claims;
  size_t came = 0;
  double highest = -std::numeric_limits<double>::infinity();
  bool all_known = true;
};

class BestOf final : public LedForecaster {
 public:
  explicit BestOf(std::vector<Contender> contenders) {
    for (Contender& contender : contenders) {
      Member& member = members_.emplace_back();
      member.led = dynamic_cast<LedForecaster*>(contender.method.get());
      member.contender = std::move(contender);
    }
  }

  absl::Status Fit(absl::Span<const double> history) override {
    return FitLed(history, std::vector<LeaderPush>(history.size()));
  }

  absl::Status FitLed(absl::Span<const double> history, absl::Span<const LeaderPush> pushes) override {
    if (absl::Status status = CheckPushes(history, pushes); !status.ok()) return status;
    said_.clear();
    kept_.clear();
    next_kept_ = 0;
    seen_ = 0;
    newest_ = 0;
    say_due_ = false;
    for (Member& member : members_) member.record = {};
    const size_t tail = std::min(history.size() / 4, kFadingValues);
    const size_t head = history.size() - tail;
    for (const double value : history.first(head)) Keep(value);
    // All that is known may lie in the tail.
    const bool judged = FitAll(history.first(head), pushes.first(head)).ok();
    for (size_t i = head; i < history.size(); ++i) {
      if (judged) {
        ObserveLed(history[i], pushes[i]);
      } else {
        Keep(history[i]);
      }
    }
    fitted_to_ = history.size();
    since_fit_ = 0;
    return judged && head >= kEnoughFitted ? absl::OkStatus() : FitAll(history, pushes);
  }

  void Observe(double value) override { ObserveLed(value, {}); }

  void ObserveLed(double value, const LeaderPush& push) override {
    // Not when the value before came: the network's step was to be made by then.
    if (say_due_) Say();
    for (Said& said : said_) Judge(value, &said);
    if (!said_.empty() && said_.front().came == kJudgedSteps.back()) said_.erase(said_.begin());
    Keep(value);
    ++since_fit_;
    for (Member& member : members_) {
      if (!member.takes_part) continue;
      if (member.led != nullptr) {
        member.led->ObserveLed(value, push);
      } else {
        member.contender.method->Observe(value);
      }
    }
    say_due_ = members_.size() > 1 && seen_++ % kJudgedEvery == 0;
  }

  void AddDueStep(DemandBatch* batch) override {
    for (Member& member : members_) {
      if (member.takes_part && member.led != nullptr) member.led->AddDueStep(batch);
    }
  }

  absl::StatusOr<Forecast> Predict(size_t steps, absl::Span<const double> quantiles) const override {
    if (absl::Status status = CheckRequest(steps, quantiles); !status.ok()) return status;
    std::vector<std::optional<Forecast>> forecasts(members_.size());
    const auto forecast_of = [&](size_t member) -> absl::StatusOr<const Forecast*> {
      if (!forecasts[member]) {
        absl::StatusOr<Forecast> forecast = Ask(members_[member], steps, quantiles);
        if (!forecast.ok()) return forecast.status();
        forecasts[member] = *std::move(forecast);
      }
      return &*forecasts[member];
    };
    Forecast best;
    best.steps = steps;
    best.quantiles.assign(quantiles.begin(), quantiles.end());
    best.values.reserve(steps * quantiles.size());
    best.peaks.reserve(steps * quantiles.size());
    for (size_t step = 0; step < steps; ++step) {
      const std::optional<size_t> leader = Leader(step, &Record::value), of_peaks = Leader(step, &Record::peak);
      if (!leader || !of_peaks) return absl::FailedPreconditionError("no method that can look so far was fitted");
      TRUCE_ASSIGN_OR_RETURN(const Forecast* const value, forecast_of(*leader));
      TRUCE_ASSIGN_OR_RETURN(const Forecast* const peak, forecast_of(*of_peaks));
      for (size_t q = 0; q < quantiles.size(); ++q) {
        best.values.push_back(value->Value(step, q));
        double most = std::max(peak->Peak(step, q), best.values.back());
        if (step > 0) most = std::max(most, best.Peak(step - 1, q));
        best.peaks.push_back(most);
      }
    }
    return best;
  }

  bool WantsRefit() const override {
    const bool any =
        std::any_of(members_.begin(), members_.end(), [](const Member& one) { return one.contender.refits; });
    const size_t again = fitted_to_ < kKeptValues ? std::max(fitted_to_, kFewestRefitted) : kRefitEvery;
    return any && since_fit_ >= again;
  }

  void Refit() override {
    const std::vector<double> kept = Kept();
    if (std::none_of(kept.begin(), kept.end(), [](double value) { return std::isfinite(value); })) return;
    for (Member& member : members_) {
      if (member.contender.refits) member.takes_part = member.contender.method->Fit(kept).ok();
    }
    fitted_to_ = kept.size();
    since_fit_ = 0;
  }

 private:
  static absl::Status CheckPushes(absl::Span<const double> history, absl::Span<const LeaderPush> pushes) {
    if (pushes.size() == history.size()) return absl::OkStatus();
    return absl::InvalidArgumentError(StrCat("the series has ", history.size(), " values and ", pushes.size(),
                                             " pushes of a leader; each value needs its own"));
  }

  // Ok when any of them can be fitted; else what the first said.
  absl::Status FitAll(absl::Span<const double> history, absl::Span<const LeaderPush> pushes) {
    absl::Status first;
    bool any = false;
    for (Member& member : members_) {
      const absl::Status status =
          member.led != nullptr ? member.led->FitLed(history, pushes) : member.contender.method->Fit(history);
      member.takes_part = status.ok();
      any = any || status.ok();
      if (!status.ok() && first.ok()) first = status;
    }
    return any ? absl::OkStatus() : first;
  }

  static absl::StatusOr<Forecast> Ask(const Member& member, size_t steps, absl::Span<const double> quantiles) {
    return member.contender.method->Predict(std::min(steps, member.contender.reach), quantiles);
  }

  void Keep(double value) {
    if (std::isfinite(value)) newest_ = value;
    if (kept_.size() < kKeptValues) {
      kept_.push_back(static_cast<float>(value));
    } else {
      kept_[next_kept_++ % kKeptValues] = static_cast<float>(value);
    }
  }

  // Oldest first.
  std::vector<double> Kept() const {
    std::vector<double> kept(kept_.begin(), kept_.end());
    const size_t oldest = kept.size() < kKeptValues ? 0 : next_kept_ % kKeptValues;
    std::rotate(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(oldest), kept.end());
    return kept;
  }

  void Say() {
    say_due_ = false;
    Said& said = said_.emplace_back();
    said.newest = newest_;
    for (const Member& member : members_) {
      Claim& claim = said.claims.emplace_back();
      if (!member.takes_part) continue;
      while (claim.reaches < kJudgedSteps.size() && kJudgedSteps[claim.reaches] <= member.contender.reach)
        ++claim.reaches;
      const auto forecast =
          member.contender.method->PredictAt(absl::MakeConstSpan(kJudgedSteps).first(claim.reaches), kJudgedQuantiles);
      if (!forecast.ok()) claim.reaches = 0;
      const auto off = [&](double value) { return static_cast<float>(value - newest_); };
      for (size_t at = 0; at < claim.reaches; ++at) {
        for (size_t q = 0; q < kJudgedQuantiles.size(); ++q) claim.values[at][q] = off(forecast->Value(at, q));
        claim.peaks[at] = off(forecast->Peak(at, kJudgedQuantiles.size() - 1));
      }
    }
  }

  void Judge(double value, Said* said) {
    ++said->came;
    said->all_known = said->all_known && std::isfinite(value);
    said->highest = std::max(said->highest, value);
    const auto at = std::find(kJudgedSteps.begin(), kJudgedSteps.end(), said->came);
    if (at == kJudgedSteps.end() || !std::isfinite(value)) return;
    const auto which = static_cast<size_t>(at - kJudgedSteps.begin());
    constexpr double kFading = 1 - static_cast<double>(kJudgedEvery) / static_cast<double>(kFadingValues);
    for (size_t i = 0; i < members_.size(); ++i) {
      const Claim& claim = said->claims[i];
      if (claim.reaches <= which) continue;
      double loss = 0;
      for (size_t q = 0; q < kJudgedQuantiles.size(); ++q) {
        loss += QuantileLoss(kJudgedQuantiles[q], said->newest + claim.values[which][q], value);
      }
      Record& record = members_[i].record;
      record.value[which] = kFading * record.value[which] + loss;
      if (!said->all_known) continue;
      record.peak[which] = kFading * record.peak[which] +
                           QuantileLoss(kJudgedQuantiles.back(), said->newest + claim.peaks[which], said->highest);
    }
  }

  std::optional<size_t> Leader(size_t step, std::array<double, kJudgedSteps.size()> Record::*losses) const {
    const size_t at = JudgedAt(step + 1);
    std::optional<size_t> leader;
    double least = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < members_.size(); ++i) {
      if (!members_[i].takes_part || members_[i].contender.reach <= step) continue;
      const double loss = (members_[i].record.*losses)[at];
      if (leader && loss >= (least * kClearly)) continue;
      leader = i;
      least = loss;
    }
    return leader;
  }

  std::vector<Member> members_;
  // At most four, oldest first.
  std::vector<Said> said_;
  bool say_due_ = false;
  size_t seen_ = 0;
  double newest_ = 0;
  // A ring once it has kKeptValues, of which next_kept_ is the oldest.
  std::vector<float> kept_;
  size_t next_kept_ = 0;
  size_t fitted_to_ = 0;
  size_t since_fit_ = 0;
};

}  // namespace

std::unique_ptr<LedForecaster> NewBestOf(std::vector<Contender> contenders) {
  return std::make_unique<BestOf>(std::move(contenders));
}

}  // namespace truce
