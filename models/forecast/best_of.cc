#include "models/forecast/best_of.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <limits>
#include <optional>
#include <utility>

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
  Record record;
  bool takes_part = true;
};

// What all said at one moment, to be judged by what comes.
struct Said {
  std::vector<std::optional<Forecast>> forecasts;
  std::vector<double> came;
};

class BestOf final : public Forecaster {
 public:
  explicit BestOf(std::vector<Contender> contenders) {
    for (Contender& contender : contenders) members_.push_back({.contender = std::move(contender)});
  }

  absl::Status Fit(absl::Span<const double> history) override {
    said_.clear();
    seen_ = 0;
    for (Member& member : members_) member.record = {};
    const size_t tail = std::min(history.size() / 4, kFadingValues);
    const absl::Span<const double> head = history.first(history.size() - tail);
    // All that is known may lie in the tail.
    if (!FitAll(head).ok()) return FitAll(history);
    for (const double value : history.subspan(head.size())) Observe(value);
    return head.size() < kEnoughFitted ? FitAll(history) : absl::OkStatus();
  }

  void Observe(double value) override {
    for (Said& said : said_) Judge(value, &said);
    while (!said_.empty() && said_.front().came.size() == kJudgedSteps.back()) said_.pop_front();
    for (Member& member : members_) {
      if (member.takes_part) member.contender.method->Observe(value);
    }
    if (members_.size() > 1 && seen_++ % kJudgedEvery == 0) Say();
  }

  absl::StatusOr<Forecast> Predict(size_t steps, absl::Span<const double> quantiles) const override {
    if (absl::Status status = CheckRequest(steps, quantiles); !status.ok()) return status;
    std::vector<std::optional<Forecast>> forecasts(members_.size());
    absl::Status first;
    for (size_t i = 0; i < members_.size(); ++i) {
      absl::StatusOr<Forecast> forecast = Ask(members_[i], steps, quantiles);
      if (forecast.ok()) {
        forecasts[i] = *std::move(forecast);
      } else if (first.ok()) {
        first = forecast.status();
      }
    }
    Forecast best;
    best.steps = steps;
    best.quantiles.assign(quantiles.begin(), quantiles.end());
    for (size_t step = 0; step < steps; ++step) {
      const Forecast* const value = Leader(forecasts, step, &Record::value);
      const Forecast* const peak = Leader(forecasts, step, &Record::peak);
      if (value == nullptr || peak == nullptr) return first;
      for (size_t q = 0; q < quantiles.size(); ++q) {
        best.values.push_back(value->Value(step, q));
        double most = std::max(peak->Peak(step, q), best.values.back());
        if (step > 0) most = std::max(most, best.Peak(step - 1, q));
        best.peaks.push_back(most);
      }
    }
    return best;
  }

 private:
  // Ok when any of them can be fitted; else what the first said.
  absl::Status FitAll(absl::Span<const double> history) {
    absl::Status first;
    bool any = false;
    for (Member& member : members_) {
      const absl::Status status = member.contender.method->Fit(history);
      member.takes_part = status.ok();
      any = any || status.ok();
      if (!status.ok() && first.ok()) first = status;
    }
    return any ? absl::OkStatus() : first;
  }

  static absl::StatusOr<Forecast> Ask(const Member& member, size_t steps, absl::Span<const double> quantiles) {
    if (!member.takes_part) return absl::FailedPreconditionError("nothing was fitted yet");
    return member.contender.method->Predict(std::min(steps, member.contender.reach), quantiles);
  }

  void Say() {
    Said& said = said_.emplace_back();
    for (const Member& member : members_) {
      absl::StatusOr<Forecast> forecast = Ask(member, kJudgedSteps.back(), kJudgedQuantiles);
      said.forecasts.emplace_back(forecast.ok() ? std::optional(*std::move(forecast)) : std::nullopt);
    }
  }

  void Judge(double value, Said* said) {
    said->came.push_back(value);
    const size_t step = said->came.size();
    const auto at = std::find(kJudgedSteps.begin(), kJudgedSteps.end(), step);
    if (at == kJudgedSteps.end()) return;
    const auto which = static_cast<size_t>(at - kJudgedSteps.begin());
    const double highest = *std::max_element(said->came.begin(), said->came.end());
    const bool all = std::all_of(said->came.begin(), said->came.end(), [](double one) { return std::isfinite(one); });
    constexpr double kFading = 1 - static_cast<double>(kJudgedEvery) / static_cast<double>(kFadingValues);
    for (size_t i = 0; i < members_.size(); ++i) {
      const auto& forecast = said->forecasts[i];
      if (!forecast || forecast->steps < step || !std::isfinite(value)) continue;
      double loss = 0;
      for (size_t q = 0; q < kJudgedQuantiles.size(); ++q) {
        loss += QuantileLoss(kJudgedQuantiles[q], forecast->Value(step - 1, q), value);
      }
      Record& record = members_[i].record;
      record.value[which] = kFading * record.value[which] + loss;
      if (!all) continue;
      const size_t upper = kJudgedQuantiles.size() - 1;
      record.peak[which] = kFading * record.peak[which] +
                           QuantileLoss(kJudgedQuantiles[upper], forecast->Peak(step - 1, upper), highest);
    }
  }

  const Forecast* Leader(const std::vector<std::optional<Forecast>>& forecasts, size_t step,
                         std::array<double, kJudgedSteps.size()> Record::*losses) const {
    const size_t at = JudgedAt(step + 1);
    const Forecast* leader = nullptr;
    double least = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < members_.size(); ++i) {
      if (!forecasts[i] || forecasts[i]->steps <= step) continue;
      const double loss = (members_[i].record.*losses)[at];
      if (leader != nullptr && loss >= (least * kClearly)) continue;
      leader = &*forecasts[i];
      least = loss;
    }
    return leader;
  }

  std::vector<Member> members_;
  std::deque<Said> said_;
  size_t seen_ = 0;
};

}  // namespace

std::unique_ptr<Forecaster> NewBestOf(std::vector<Contender> contenders) {
  return std::make_unique<BestOf>(std::move(contenders));
}

}  // namespace truce
