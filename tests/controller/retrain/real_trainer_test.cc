// Retraining from reports to verdict with the real trainer, truce-lab: a poor champion is replaced, and a poor
// challenger does not replace a good one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "absl/time/clock.h"
#include "controller/learn/retraining.h"
#include "models/forecast/demand_model_file.h"
#include "src/base/shipped.h"
#include "src/base/text.h"
#include "tests/fixtures/tree.h"

namespace truce::controller {
namespace {

constexpr int kWorkloads = 16;
constexpr int kSteps = 600;
constexpr int kJudgedFrom = kSteps * 4 / 5;

// A small network that was never trained.
std::string RandomModel() {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal(0, 0.3F);
  const auto rows = [&](Eigen::Index height, Eigen::Index width) -> Rows {
    return Rows::NullaryExpr(height, width, [&] { return normal(random); });
  };
  const auto row = [&](Eigen::Index width) -> Row { return Row::NullaryExpr(width, [&] { return normal(random); }); };
  constexpr Eigen::Index kProjected = 12, kHidden = 16, kWidth = 24;
  DemandWeights weights{.project = rows(kProjected, kDemandInputs),
                        .project_bias = row(kProjected),
                        .cell = {.input_gates = rows(4 * kHidden, kProjected),
                                 .hidden_gates = rows(4 * kHidden, kHidden),
                                 .gate_bias = row(4 * kHidden)},
                        .head = rows(kWidth, kHidden + static_cast<Eigen::Index>(kDemandInputs)),
                        .head_bias = row(kWidth),
                        .out = rows(kDemandOutputs, kWidth),
                        .out_bias = row(kDemandOutputs)};
  return SerializeDemandModel({"never-trained", "nothing", DemandModel(std::move(weights))});
}

// What a workload uses: noise about its level, and at times a step up that lasts four steps and doubles each time.
class Usage {
 public:
  explicit Usage(uint64_t seed) : random_(seed), level_(std::exp(std::normal_distribution<double>(0, 1)(random_))) {}
  // Whether a burst grows after its first step; otherwise it is over with it.
  double Next(bool grows) {
    if (left_ == 0 && std::uniform_real_distribution<double>(0, 1)(random_) < 0.08) left_ = 4;
    double burst = 0;
    if (left_ > 0) {
      burst = left_ == 4 ? 1 : grows ? std::exp2(4 - left_) : 0;
      --left_;
    }
    return level_ * std::max(0.05, 1 + burst + std::normal_distribution<double>(0, 0.05)(random_));
  }

 private:
  std::mt19937_64 random_;
  double level_;
  int left_ = 0;
};

class RealTrainerTest : public testing::Test {
 protected:
  RealTrainerTest() {
    options_.retrainer.program = TRUCE_BIN_DIR "/truce-lab";
    options_.retrainer.directory = tree_.Path("retraining");
    options_.retrainer.shipped_model = ShippedPath("models/demand.truce");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    // Shadow memory counts, and takes terabytes.
    options_.retrainer.memory_bytes = RLIM_INFINITY;
#endif
    options_.schedule.least_history = absl::Hours(4);
    options_.schedule.least_values = 20'000;
  }

  // Reports of kSteps steps; bursts grow before the span that is judged, and in it if `still`.
  void Feed(bool still, Retraining* retraining) {
    std::vector<Usage> usages;
    for (uint64_t i = 0; i < 4 * kWorkloads; ++i) usages.emplace_back(i + 1);
    HostState host;
    host.name = "web-1";
    for (int step = 0; step <= kSteps; ++step) {
      const bool grows = still || step < kJudgedFrom;
      host.report.clear_workloads();
      for (size_t i = 0; i < kWorkloads; ++i) {
        auto* report = host.report.add_workloads();
        report->mutable_workload()->set_name(StrCat("service-", i));
        report->mutable_workload()->set_application("service");
        auto* readings = report->mutable_readings();
        readings->set_cpu_usage_cores(usages[4 * i].Next(grows));
        readings->set_memory_working_set_bytes(1e8 * usages[4 * i + 1].Next(grows));
        readings->set_disk_read_bytes_per_second(0);
        readings->set_disk_write_bytes_per_second(1e6 * usages[4 * i + 2].Next(grows));
        readings->set_network_receive_bytes_per_second(0);
        readings->set_network_transmit_bytes_per_second(1e5 * usages[4 * i + 3].Next(grows));
      }
      retraining->Observe(host, {absl::FromUnixSeconds(1'700'000'010 + 30 * step), absl::Seconds(30 * step)});
    }
  }

  RetrainingNews Train(Retraining* retraining) {
    const absl::Duration now = absl::Hours(5);
    while (true) {
      if (auto news = retraining->Follow(now)) return *std::move(news);
      EXPECT_EQ(retraining->schedule().state(), RetrainingSchedule::State::kRunning);
      absl::SleepFor(absl::Milliseconds(10));
    }
  }

  test::Tree tree_;
  RetrainingOptions options_;
};

TEST_F(RealTrainerTest, APoorChampionIsReplaced) {
  Retraining retraining(options_, absl::ZeroDuration());
  Feed(true, &retraining);
  retraining.SetChampion(RandomModel());
  const RetrainingNews news = Train(&retraining);
  EXPECT_EQ(news.kind, "model_retrained") << news.message;
  EXPECT_THAT(news.message, testing::HasSubstr("than never-trained"));
  const auto challenger = retraining.TakeChallenger();
  ASSERT_TRUE(challenger.has_value());
  EXPECT_EQ(challenger->sentence, news.message);
  const auto model = ParseDemandModel(challenger->bytes, "challenger");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(model->trained_on, testing::HasSubstr("never-trained, and then"));
  EXPECT_FALSE(retraining.TakeChallenger().has_value()) << "it is handed over once";
}

TEST_F(RealTrainerTest, APoorChallengerReplacesNobody) {
  Retraining retraining(options_, absl::ZeroDuration());
  // It learns that bursts grow, and then they no longer do.
  Feed(false, &retraining);
  const RetrainingNews news = Train(&retraining);
  EXPECT_EQ(news.kind, "model_kept") << news.message;
  EXPECT_THAT(news.message, testing::ContainsRegex("errs .* % more than .* stays"));
  EXPECT_FALSE(retraining.TakeChallenger().has_value());
  EXPECT_TRUE(std::filesystem::is_empty(options_.retrainer.directory)) << "and nothing is left of it";
}

}  // namespace
}  // namespace truce::controller
