// The choice among methods that Truce's forecasts are based on.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "models/forecast/line.h"
#include "models/forecast/methods.h"
#include "models/forecast/model_forecaster.h"
#include "src/base/status.h"

namespace truce {
namespace {

constexpr size_t kFewest = 48;
constexpr size_t kLongestTail = 288;
constexpr size_t kOrigins = 24;
constexpr size_t kHorizon = 12;
// With so many values before the tail a method stays as it was judged: fitting again costs time, changes little, and
// may choose another order, which nobody judged.
constexpr size_t kEnough = 200;
constexpr size_t kMostMembers = 3;
constexpr double kAboutAsGood = 1.15;
constexpr double kJudged[] = {0.5, 0.95};

// Every method, without a season, and with it when there is one.
std::vector<std::unique_ptr<ModelForecaster>> Candidates(const Season& season) {
  std::vector<SeasonRule> rules = {{SeasonRule::Kind::kNone, {}}};
  if (season) rules.push_back({SeasonRule::Kind::kGiven, {season.period}});
  std::vector<std::unique_ptr<ModelForecaster>> candidates;
  candidates.push_back(NewNaiveModelForecaster());
  for (const SeasonRule& rule : rules) {
    candidates.push_back(NewSesModelForecaster(rule));
    candidates.push_back(NewEtsModelForecaster(rule));
    candidates.push_back(NewArimaModelForecaster(rule));
  }
  return candidates;
}

// The mean quantile loss (Koenker and Bassett, Econometrica 46, 1978) of a forecast for values that came.
double LossOf(const Forecast& forecast, absl::Span<const double> came) {
  double loss = 0, count = 0;
  for (size_t step = 0; step < std::min(forecast.steps, came.size()); ++step) {
    if (!std::isfinite(came[step])) continue;
    for (size_t i = 0; i < forecast.quantiles.size(); ++i) {
      const double above = came[step] - forecast.Value(step, i);
      loss += above >= 0 ? forecast.quantiles[i] * above : (forecast.quantiles[i] - 1) * above;
      count += 1;
    }
  }
  return count > 0 ? loss / count : std::nan("");
}

// How a method does on the tail, from origins spread over it; infinite when it can't be fitted to the head.
double LossOnTail(Forecaster& method, absl::Span<const double> head, absl::Span<const double> tail) {
  if (!method.Fit(head).ok()) return std::numeric_limits<double>::infinity();
  const size_t apart = std::max<size_t>(1, tail.size() / kOrigins);
  double sum = 0, count = 0;
  for (size_t i = 0; i < tail.size(); ++i) {
    if (i % apart == 0) {
      const absl::StatusOr<Forecast> forecast = method.Predict(std::min(kHorizon, tail.size() - i), kJudged);
      const double loss = forecast.ok() ? LossOf(*forecast, tail.subspan(i)) : std::numeric_limits<double>::infinity();
      if (!std::isnan(loss)) {
        sum += loss;
        count += 1;
      }
    }
    method.Observe(tail[i]);
  }
  return count > 0 ? sum / count : std::numeric_limits<double>::infinity();
}

class BaseForecaster : public Forecaster {
 public:
  explicit BaseForecaster(SeasonRule rule) : rule_(std::move(rule)) {}

  absl::Status Fit(absl::Span<const double> history) override {
    members_.clear();
    if (CountKnown(history) == 0) return absl::InvalidArgumentError("there is no value to learn a forecast from");
    const size_t tail = std::min(history.size() / 4, kLongestTail);
    const absl::Span<const double> head = history.subspan(0, history.size() - tail);
    const bool judged = CountKnown(head) >= kFewest / 2 && CountKnown(history) >= kFewest && !IsConstant(head);
    std::vector<Member> members;
    if (judged) members = Choose(head, history.subspan(head.size()));
    if (members.empty()) {
      members.push_back({NewNaiveModelForecaster(), 1});
      members.push_back({NewSesModelForecaster({SeasonRule::Kind::kNone, {}}), 1});
    }
    double weights = 0;
    for (Member& member : members) {
      weights += member.weight;
      if (judged && CountKnown(head) >= kEnough) continue;
      if (const absl::Status status = member.method->Fit(history); !status.ok()) return status;
    }
    for (Member& member : members) member.weight /= weights;
    members_ = std::move(members);
    return absl::OkStatus();
  }

  void Observe(double value) override {
    for (Member& member : members_) member.method->Observe(value);
  }

  absl::StatusOr<Forecast> Predict(size_t steps, absl::Span<const double> quantiles) const override {
    return PredictAt(EveryStep(steps), quantiles);
  }

  absl::StatusOr<Forecast> PredictAt(absl::Span<const size_t> steps_ahead,
                                     absl::Span<const double> quantiles) const override {
    if (members_.empty()) return absl::FailedPreconditionError("nothing was learned yet: Fit comes before Predict");
    TRUCE_RETURN_IF_ERROR(CheckStepsAhead(steps_ahead));
    TRUCE_RETURN_IF_ERROR(CheckRequest(steps_ahead.size(), quantiles));
    PathValues paths(steps_ahead.back() * kPaths);
    for (const Member& member : members_) member.method->AddPathsTo(steps_ahead.back(), member.weight, &paths);
    return QuantilesOfPaths(steps_ahead, quantiles, &paths);
  }

 private:
  struct Member {
    std::unique_ptr<ModelForecaster> method;
    double weight;
  };

  // The best, fitted to the head and taken through the tail. None when the tail has nothing to judge by.
  std::vector<Member> Choose(absl::Span<const double> head, absl::Span<const double> tail) const {
    struct Judged {
      std::unique_ptr<ModelForecaster> method;
      double loss;
    };
    std::vector<Judged> judged;
    for (std::unique_ptr<ModelForecaster>& method : Candidates(ApplyRule(rule_, head))) {
      const double loss = LossOnTail(*method, head, tail);
      if (std::isfinite(loss)) judged.push_back({std::move(method), loss});
    }
    std::stable_sort(judged.begin(), judged.end(), [](const Judged& a, const Judged& b) { return a.loss < b.loss; });
    std::vector<Member> chosen;
    const double least = judged.empty() ? 0 : judged[0].loss;
    for (Judged& one : judged) {
      if (chosen.size() == kMostMembers || one.loss > kAboutAsGood * least) break;
      chosen.push_back({std::move(one.method), least > 0 ? std::pow(least / one.loss, 2) : 1});
    }
    return chosen;
  }

  SeasonRule rule_;
  std::vector<Member> members_;
};

}  // namespace

std::unique_ptr<Forecaster> NewBaseForecaster(SeasonRule season) {
  return std::make_unique<BaseForecaster>(std::move(season));
}

}  // namespace truce
