// The feedback loop with the real trainer (truce-lab), the forecasts that agents make and hosts that fetch what they
// are offered: a poor champion is replaced, a promotion that turns out bad is taken back, and a poor challenger goes
// nowhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <cmath>
#include <deque>
#include <random>

#include "absl/time/clock.h"
#include "agent/predict/demand_series.h"
#include "controller/plan/policy.h"
#include "models/forecast/demand_forecaster.h"
#include "models/forecast/demand_model_file.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "tests/controller/serve/model_agent.h"
#include "tests/fixtures/tree.h"

namespace truce::controller {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::PrintToString;
using testing::SizeIs;

constexpr int kHosts = 5;
constexpr int kWorkloads = 3;
constexpr int64_t kStepSeconds = 30;
constexpr int kStepsAnHour = 120;
// A training begins once so much is known, and judges by the last fifth of it.
constexpr double kTrainingHour = 5;
constexpr double kJudgedHours = kTrainingHour / 5;
// Errors are told so often.
constexpr int kStepsOfErrors = 10;
constexpr std::array kResources = {v1::RESOURCE_CPU, v1::RESOURCE_MEMORY, v1::RESOURCE_DISK, v1::RESOURCE_NETWORK};

std::string ShippedModel() {
  return *host::ReadFile(std::string(TRUCE_SOURCE_DIR) + "/models/pretrained/demand.truce");
}

// The same, spoilt: it foretells three times the changes, and that everything grows.
std::string PoorModel() {
  auto content = ParseDemandModel(ShippedModel(), "demand.truce");
  EXPECT_TRUE(content.ok()) << content.status();
  DemandWeights weights = content->model.weights();
  weights.out *= 3;
  weights.out_bias.array() += 0.5F;
  return SerializeDemandModel({"spoilt", "nothing", DemandModel(std::move(weights))});
}

// What workloads use: noise about a level, and at times a burst.
enum class World {
  // A burst lasts four steps and doubles with each.
  kBurstsGrow,
  // It is over after the first.
  kBurstsEnd,
  // There is no level and there are no bursts: usage goes up and down by a third at random.
  kWalks,
};

class Usage {
 public:
  explicit Usage(uint64_t seed) : random_(seed), level_(std::exp(std::normal_distribution<double>(0, 1)(random_))) {}
  double Next(World world) {
    const double noise = std::normal_distribution<double>(0, 1)(random_);
    if (world == World::kWalks) return level_ *= std::exp(0.3 * noise);
    if (left_ == 0 && std::uniform_real_distribution<double>(0, 1)(random_) < 0.08) left_ = 4;
    double burst = 0;
    if (left_ > 0) {
      burst = left_ == 4 ? 1 : world == World::kBurstsGrow ? std::exp2(4 - left_) : 0;
      --left_;
    }
    return level_ * std::max(0.05, 1 + burst + 0.05 * noise);
  }

 private:
  std::mt19937_64 random_;
  double level_;
  int left_ = 0;
};

// A host whose agent foretells what its workloads will use, with the model that it has and nothing beside it: real ones
// turn to other methods where the model errs, and little of what is wrong with it would show.
class ForecastingHost {
 public:
  ForecastingHost(const std::string& name, uint64_t seed, const std::string& own_model)
      : agent_(name, FileSha256(own_model)), own_model_(own_model) {
    for (size_t i = 0; i < kWorkloads * kResources.size(); ++i) {
      usages_.emplace_back(100 * seed + i);
      series_.emplace_back(0.01);
    }
  }

  void Step(int64_t step, World world) {
    Renew();
    v1::ConnectRequest request;
    v1::Report& report = *request.mutable_report();
    for (size_t i = 0; i < kWorkloads; ++i) {
      std::array<double, kResources.size()> used{};
      for (size_t r = 0; r < kResources.size(); ++r) {
        const size_t which = i * kResources.size() + r;
        used[r] = usages_[which].Next(world);
        series_[which].Add(used[r]);
        series_[which].EndStep(static_cast<double>(kStepSeconds * step), kStepSeconds, make_, &due_[r]);
      }
      auto* workload = report.add_workloads();
      workload->mutable_workload()->set_name(StrCat("service-", i));
      workload->mutable_workload()->set_application("service");
      auto* readings = workload->mutable_readings();
      readings->set_cpu_usage_cores(used[0]);
      readings->set_memory_working_set_bytes(1e8 * used[1]);
      readings->set_disk_read_bytes_per_second(0);
      readings->set_disk_write_bytes_per_second(1e6 * used[2]);
      readings->set_network_receive_bytes_per_second(0);
      readings->set_network_transmit_bytes_per_second(1e5 * used[3]);
    }
    if (step % kStepsOfErrors == 0) TellErrors(&report);
    agent_.Send(request);
  }
  ModelAgent& agent() { return agent_; }

 private:
  // What was said with the model before is told as its own, and not held to the new one.
  void Renew() {
    if (model_ == agent_.in_use()) return;
    if (!model_.empty()) due_ = {};
    model_ = agent_.in_use();
    const std::string& bytes = model_ == FileSha256(own_model_) ? own_model_ : agent_.received();
    auto content = ParseDemandModel(bytes, "the model in use");
    ASSERT_TRUE(content.ok()) << content.status();
    make_ = [model = std::make_shared<const DemandModel>(std::move(content->model))] {
      return NewDemandForecaster(model, 0);
    };
    for (agent::DemandSeries& series : series_) series.Renew();
  }
  void TellErrors(v1::Report* report) {
    for (size_t r = 0; r < kResources.size(); ++r) {
      for (size_t h = 0; h < kDemandHorizons.size(); ++h) {
        const agent::DueErrors& due = due_[r][h];
        if (due.count == 0) continue;
        v1::ForecastErrors& errors = *report->add_forecast_errors();
        errors.set_model_sha256(model_);
        errors.set_application("service");
        errors.set_resource(kResources[r]);
        errors.mutable_ahead()->set_seconds(kStepSeconds * static_cast<int64_t>(kDemandHorizons[h]));
        errors.set_count(due.count);
        errors.set_loss_sum(due.loss);
        errors.set_naive_loss_sum(due.naive_loss);
        errors.set_squared_gain_sum(due.squared_gain);
        errors.set_above_p95_count(due.above_p95);
      }
    }
    due_ = {};
  }

  ModelAgent agent_;
  std::string own_model_;
  std::string model_;
  agent::MakeDemandForecaster make_;
  std::vector<Usage> usages_;
  std::vector<agent::DemandSeries> series_;
  std::array<agent::DueByHorizon, kResources.size()> due_{};
};

// A controller that retrains, and its hosts.
class Loop {
 public:
  // `own_model` is what hosts came with.
  explicit Loop(const std::string& own_model) : own_(FileSha256(own_model)) {
    tree_.Put("own.truce", own_model);
    StoreOptions store_options;
    store_options.file = tree_.Path("controller.db");
    store_ = *Store::Open(store_options, clock_);
    RetrainingOptions retraining;
    retraining.retrainer.program = TRUCE_BIN_DIR "/truce-lab";
    retraining.retrainer.directory = tree_.Path("retraining");
    retraining.retrainer.shipped_model = tree_.Path("own.truce");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    // Shadow memory counts, and takes terabytes.
    retraining.retrainer.memory_bytes = RLIM_INFINITY;
#endif
    retraining.schedule = {.least_history = absl::Hours(kTrainingHour), .least_values = 20'000};
    CoreOptions options;
    options.initial_policy = DefaultPolicy();
    options.model_directory = tree_.Path("models");
    options.rollout.canary_ratio = 0.4;
    options.retraining = retraining;
    core_ = std::make_unique<ControllerCore>(std::move(options), clock_, *store_);
    for (uint64_t i = 0; i < kHosts; ++i) {
      hosts_.emplace_back(StrCat("web-", i), i, own_model).agent().Connect(core_.get());
    }
  }
  ~Loop() {
    core_.reset();
    store_.reset();
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void RunToHour(double hour, World world) {
    while (static_cast<double>(step_) < hour * kStepsAnHour) Step(world);
  }
  // Until so many hosts have what they came with, for hours at most.
  void RunUntilOwn(int hosts, World world) {
    for (int i = 0; i < 8 * kStepsAnHour && HaveOwn() != hosts; ++i) Step(world);
  }
  int HaveOwn() {
    int count = 0;
    for (ForecastingHost& host : hosts_) count += host.agent().in_use() == own_;
    return count;
  }
  // What was told of that kind, newest first.
  std::vector<std::string> Told(const std::string& kind) {
    EXPECT_TRUE(store_->Flush().ok());
    std::vector<std::string> told;
    const auto events = store_->Events({.limit = 10'000});
    for (const v1::Event& event : *events) {
      if (event.kind() == kind) told.push_back(event.message());
    }
    return told;
  }

 private:
  // One step of all hosts; the clock stands still while a training goes on.
  void Step(World world) {
    clock_.Advance(absl::Seconds(kStepSeconds));
    ++step_;
    for (ForecastingHost& host : hosts_) host.Step(step_, world);
    core_->Tick();
    while (core_->Metrics().retraining) {
      absl::SleepFor(absl::Milliseconds(10));
      core_->Tick();
    }
    for (ForecastingHost& host : hosts_) host.agent().Follow();
  }

  test::Tree tree_;
  FakeClock clock_{absl::FromUnixSeconds(1'700'000'010)};
  std::unique_ptr<Store> store_;
  std::unique_ptr<ControllerCore> core_;
  std::deque<ForecastingHost> hosts_;
  const std::string own_;
  int64_t step_ = 0;
};

TEST(FeedbackTest, APoorChampionIsReplacedABadPromotionIsTakenBackAndAPoorChallengerGoesNowhere) {
  Loop poor(PoorModel());
  poor.RunToHour(kTrainingHour + 0.1, World::kBurstsGrow);
  ASSERT_THAT(poor.Told("model_retrained"), SizeIs(1)) << PrintToString(poor.Told("retraining_failed"));
  EXPECT_THAT(poor.Told("model_retrained")[0], HasSubstr("than spoilt"));
  EXPECT_THAT(poor.Told("model_proposed"), SizeIs(1));
  poor.RunUntilOwn(0, World::kBurstsGrow);
  ASSERT_EQ(poor.HaveOwn(), 0) << "all hosts have the better one";
  EXPECT_THAT(poor.Told("model_promoted"), SizeIs(1));

  // One that has learned that bursts grow goes to all, and what it foretells from then on is worse than what there was.
  Loop fooled(ShippedModel());
  fooled.RunToHour(kTrainingHour + 0.1, World::kBurstsGrow);
  ASSERT_THAT(fooled.Told("model_proposed"), SizeIs(1));
  fooled.RunUntilOwn(0, World::kBurstsGrow);
  ASSERT_EQ(fooled.HaveOwn(), 0);
  EXPECT_THAT(fooled.Told("model_promoted"), SizeIs(1));
  fooled.RunUntilOwn(kHosts, World::kWalks);
  EXPECT_EQ(fooled.HaveOwn(), kHosts) << "they go back to what they had";
  ASSERT_THAT(fooled.Told("model_rolled_back"), SizeIs(1));
  EXPECT_THAT(fooled.Told("model_rolled_back")[0], HasSubstr("higher"));

  // Here bursts no longer grow before there is a verdict: by the newest hour what was learned is worse.
  Loop good(ShippedModel());
  good.RunToHour(kTrainingHour - kJudgedHours, World::kBurstsGrow);
  good.RunToHour(kTrainingHour + 2, World::kBurstsEnd);
  EXPECT_THAT(good.Told("model_kept"), SizeIs(1)) << PrintToString(good.Told("model_retrained"));
  EXPECT_THAT(good.Told("model_proposed"), IsEmpty()) << "nobody is asked to try it";
  EXPECT_EQ(good.HaveOwn(), kHosts);
}

}  // namespace
}  // namespace truce::controller
