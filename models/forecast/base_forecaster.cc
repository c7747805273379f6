// The choice among methods that Truce's forecasts are based on.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "models/forecast/line.h"
#include "models/forecast/methods.h"
#include "models/forecast/model_forecaster.h"

namespace truce {
namespace {

constexpr size_t kFewest = 48;
constexpr size_t kLongestTail = 288;
constexpr size_t kOrigins = 24;
constexpr size_t kHorizon = 12;
constexpr size_t kMostMembers = 3;
constexpr double kAboutAsGood = 1.15;
constexpr double kJudged[] = {0.5, 0.95};

using NewMember = std::function<std::unique_ptr<Forecaster>()>;

// Every method, without a season, and with it when there is one.
std::vector<NewMember> Candidates(const Season& season) {
  std::vector<SeasonRule> rules = {{SeasonRule::Kind::kNone, {}}};
  if (season) rules.push_back({SeasonRule::Kind::kGiven, {season.period}});
  std::vector<NewMember> candidates = {NewNaiveForecaster};
  for (const SeasonRule& rule : rules) {
    candidates.push_back([rule] { return NewSesForecaster(rule); });
    candidates.push_back([rule] { return NewEtsForecaster(rule); });
    candidates.push_back([rule] { return NewArimaForecaster(rule); });
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
    std::vector<Chosen> chosen;
    if (judged) chosen = Choose(head, history.subspan(head.size()));
    if (chosen.empty()) chosen = {{NewNaiveForecaster, 1}, {[] { return NewSesForecaster(); }, 1}};
    double weights = 0;
    std::vector<Member> members;
    for (const Chosen& one : chosen) {
      Member member{one.make(), one.weight};
      if (const absl::Status status = member.method->Fit(history); !status.ok()) return status;
      weights += member.weight;
      members.push_back(std::move(member));
    }
    for (Member& member : members) member.weight /= weights;
    members_ = std::move(members);
    return absl::OkStatus();
  }

  void Observe(double value) override {
    for (Member& member : members_) member.method->Observe(value);
  }

  absl::StatusOr<Forecast> Predict(size_t steps, absl::Span<const double> quantiles) const override {
    if (members_.empty()) return absl::FailedPreconditionError("nothing was learned yet: Fit comes before Predict");
    Forecast mean;
    for (const Member& member : members_) {
      absl::StatusOr<Forecast> forecast = member.method->Predict(steps, quantiles);
      if (!forecast.ok()) return forecast;
      if (mean.values.empty()) {
        mean = *forecast;
        std::fill(mean.values.begin(), mean.values.end(), 0);
        std::fill(mean.peaks.begin(), mean.peaks.end(), 0);
      }
      for (size_t i = 0; i < mean.values.size(); ++i) {
        mean.values[i] += member.weight * forecast->values[i];
        mean.peaks[i] += member.weight * forecast->peaks[i];
      }
    }
    return mean;
  }

 private:
  struct Chosen {
    NewMember make;
    double weight;
  };
  struct Member {
    std::unique_ptr<Forecaster> method;
    double weight;
  };

  // None when the tail has nothing to judge by.
  std::vector<Chosen> Choose(absl::Span<const double> head, absl::Span<const double> tail) const {
    struct Judged {
      NewMember make;
      double loss;
    };
    std::vector<Judged> judged;
    for (NewMember& make : Candidates(ApplyRule(rule_, head))) {
      const double loss = LossOnTail(*make(), head, tail);
      if (std::isfinite(loss)) judged.push_back({std::move(make), loss});
    }
    std::stable_sort(judged.begin(), judged.end(), [](const Judged& a, const Judged& b) { return a.loss < b.loss; });
    std::vector<Chosen> chosen;
    for (Judged& one : judged) {
      if (chosen.size() == kMostMembers || one.loss > kAboutAsGood * judged[0].loss) break;
      // A method without any loss is the only one that is needed.
      const double weight = judged[0].loss > 0 ? std::pow(judged[0].loss / one.loss, 2) : 1;
      chosen.push_back({std::move(one.make), weight});
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
