// An evaluation judges each forecast by what came after it and by nothing else, and says what it could not judge.
#include "lab/forecast/evaluate.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cmath>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "lab/forecast/point_method.h"
#include "lab/forecast/rolling.h"
#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Remembers what it was given; predicts the newest value.
class Recorder : public PointMethod {
 public:
  explicit Recorder(std::vector<double>* seen) : seen_(seen) {}
  void Fit(absl::Span<const double> history) override { seen_->assign(history.begin(), history.end()); }
  void Observe(double value) override { seen_->push_back(value); }
  void Predict(absl::Span<double> steps) const override {
    // The future shows in what is predicted, were it there.
    std::fill(steps.begin(), steps.end(), seen_->back());
  }

 private:
  std::vector<double>* const seen_;
};

TEST(RollTest, EachOriginKnowsWhatCameBeforeIt) {
  JudgedSeries judged;
  judged.series.values = {10, 10, 20, 40, 80, 160};
  judged.training = 2;
  std::vector<double> seen;
  const auto forecaster = AsItIs(std::make_unique<Recorder>(&seen));
  RollingSetting setting;
  setting.horizons = {1, 2};
  setting.peak_steps = 3;
  const auto sums = Roll(judged, setting, SystemClock(), forecaster.get());
  ASSERT_TRUE(sums.ok()) << sums.status();
  EXPECT_EQ(sums->horizons[0].absolute_error, 10 + 20 + 40 + 80);
  EXPECT_EQ(sums->horizons[1].absolute_error, 30 + 60 + 120);
  EXPECT_EQ(sums->horizons[1].count, 3u) << "the last origin has one value left";
  EXPECT_EQ(sums->peaks, 2u);
  EXPECT_DOUBLE_EQ(sums->peak_pinball, 0.95 * (70 + 140));
  EXPECT_EQ(sums->forecasts, 4u);
  EXPECT_EQ(seen, judged.series.values);

  setting.stride = 3;
  EXPECT_EQ(Roll(judged, setting, SystemClock(), forecaster.get())->horizons[0].absolute_error, 10 + 80);
}

TEST(RollTest, AnErrorNamesTheSeries) {
  JudgedSeries judged;
  judged.series.name = "vm_7";
  judged.series.values = {NAN, 1};
  judged.training = 1;
  std::vector<double> seen;
  const auto forecaster = AsItIs(std::make_unique<Recorder>(&seen));
  EXPECT_THAT(std::string(Roll(judged, {}, SystemClock(), forecaster.get()).status().message()), HasSubstr("vm_7"));
}

TEST(InParallelTest, EachIsDoneOnceUntilOneFails) {
  std::vector<std::atomic<int>> done(1000);
  const auto count = [&](size_t i) {
    ++done[i];
    return absl::OkStatus();
  };
  EXPECT_TRUE(InParallel(done.size(), 4, count).ok());
  for (const auto& times : done) EXPECT_EQ(times, 1);
  const absl::Status status =
      InParallel(10, 3, [](size_t i) { return i == 7 ? absl::InternalError("seven") : absl::OkStatus(); });
  EXPECT_EQ(std::string(status.message()), "seven");
}

// VMs that go up and down by the hour, in a directory as Bitbrains' is.
void MakeBitbrains(const test::Tree& tree, int vms) {
  for (int vm = 0; vm < vms; ++vm) {
    std::string text =
        "ts_s,cores,cpu_prov_mhz,cpu_mhz,mem_prov_kb,mem_kb,disk_r_kbs,disk_w_kbs,net_rx_kbs,net_tx_kbs\n";
    for (int t = 0; t < 400; ++t) {
      absl::StrAppend(&text, 300 * t, ",1,1000,", (t + vm) % 12 * 50, ",8,", 100 + (t / 6) % 2 * (vm + 1), ",0,", t % 7,
                      ",0,1\n");
    }
    tree.Put(absl::StrCat("bitbrains/vm_", vm, ".csv"), text);
  }
}

TEST(EvaluateForecastsTest, SaysWhatIsMissingAndWhatHasNoScale) {
  const test::Tree tree;
  MakeBitbrains(tree, 5);
  EvaluateForecastsOptions options;
  options.directory = tree.root();
  options.targets = {"cpu", "disk_read"};
  options.methods = {"naive", "mean-12", "pooled-ar-24"};
  std::ostringstream progress;
  const auto evaluation = EvaluateForecasts(options, progress);
  // disk_read never changes: there is nothing that a pooled method could learn.
  EXPECT_THAT(std::string(evaluation.status().message()), AllOf(HasSubstr("disk_read"), HasSubstr("pooled-ar-24")));

  options.methods = {"mean-12", "naive"};
  const auto without = EvaluateForecasts(options, progress);
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_THAT(without->missing, ElementsAre(HasSubstr("planetlab"), HasSubstr("crane")));
  ASSERT_EQ(without->tasks.size(), 2u);
  EXPECT_EQ(without->tasks[0].judged, 3u);
  EXPECT_EQ(without->tasks[0].without_scale, 0u);
  EXPECT_EQ(without->tasks[1].without_scale, 3u);
  const MethodResult& naive = without->tasks[0].methods[0];
  EXPECT_EQ(naive.method, "naive");
  EXPECT_DOUBLE_EQ(naive.marks.horizons[0].relative_mae, 1);
  EXPECT_NEAR(naive.marks.horizons[0].mean_mase, 1, 0.05);
  EXPECT_EQ(naive.marks.horizons[1].mae, 0) << "it repeats every 12 steps";

  std::ostringstream shown;
  WriteForecastEvaluation(*without, shown);
  EXPECT_THAT(shown.str(), AllOf(HasSubstr("bitbrains cpu, 3 series"), HasSubstr("mean-12"),
                                 HasSubstr("not evaluated: planetlab"), HasSubstr("3 never changed")));
}

TEST(EvaluateForecastsTest, WhatWasAskedForMustBeThere) {
  const test::Tree tree;
  MakeBitbrains(tree, 5);
  EvaluateForecastsOptions options;
  options.directory = tree.root();
  std::ostringstream progress;
  options.sets = {"crane"};
  EXPECT_TRUE(absl::IsNotFound(EvaluateForecasts(options, progress).status()));
  options.sets = {"moon"};
  EXPECT_TRUE(absl::IsInvalidArgument(EvaluateForecasts(options, progress).status()));
  options.sets = {};
  options.methods = {"oracle"};
  EXPECT_TRUE(absl::IsInvalidArgument(EvaluateForecasts(options, progress).status()));
  options.methods = {};
  options.targets = {"gpu"};
  EXPECT_TRUE(absl::IsNotFound(EvaluateForecasts(options, progress).status()));
}

// One task's result with the same marks for each method.
ForecastEvaluation Marked(const std::string& set, const std::string& target, double mase, double mae, double coverage,
                          double under) {
  MethodMarks marks;
  for (const size_t steps : {1, 12}) marks.horizons.push_back({steps, mase, mase, mae, 1.06, coverage});
  marks.peak_pinball = 1.2;
  marks.peaks_under = under;
  return {"machine", {}, {{set, target, "%", 300, 5, 0, 0, {{"naive", marks}, {kOwnMethod, marks}}}}};
}

std::vector<std::string> Missed(const ForecastEvaluation& evaluation) {
  std::vector<std::string> names;
  const FigureTable table = ForecastFigures(evaluation, WhichFigures::kWithTarget);
  for (const Figure& figure : table.figures()) {
    if (!*figure.Met()) names.push_back(figure.name);
  }
  return names;
}

TEST(ForecastFiguresTest, TargetsAreForOurOwnAlone) {
  const FigureTable all = ForecastFigures(Marked("bitbrains", "cpu", 1, 1, 0.95, 0.05), WhichFigures::kAll);
  for (const Figure& figure : all.figures()) {
    EXPECT_TRUE(!figure.target.has_value() || figure.name.ends_with(", auto")) << figure.name;
  }
  EXPECT_THAT(
      Missed(Marked("bitbrains", "cpu", 1.9, 1, 0.92, 0.03)),
      ElementsAre("bitbrains cpu h=1 MAE against naive, auto", "bitbrains cpu h=1 coverage of p95, off by, auto",
                  "bitbrains cpu h=12 mean MASE, auto", "bitbrains cpu h=12 MAE against naive, auto",
                  "bitbrains cpu h=12 coverage of p95, off by, auto",
                  "bitbrains cpu pinball of the next hour's peak, auto",
                  "bitbrains cpu peaks under-predicted, no fewer, auto"));
  EXPECT_THAT(Missed(Marked("bitbrains", "memory", 0.9, 1, 0.95, 0.5)),
              ElementsAre("bitbrains memory h=1 mean MASE, auto", "bitbrains memory h=1 MAE against naive, auto",
                          "bitbrains memory h=12 MAE against naive, auto"));
  EXPECT_THAT(Missed(Marked("planetlab", "cpu", 9, 5.7, 0.95, 0.5)),
              ElementsAre("planetlab cpu h=1 MAE, auto", "planetlab cpu h=1 MAE against naive, auto",
                          "planetlab cpu h=12 MAE against naive, auto"));
}

}  // namespace
}  // namespace truce::lab
