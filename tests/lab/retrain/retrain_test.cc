// Retraining reads what it is given, writes over nothing, and says what it lacks.
#include "lab/retrain/retrain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "lab/retrain/history.h"
#include "models/forecast/demand_history_file.h"
#include "src/base/shipped.h"
#include "src/base/text.h"
#include "tests/rpc/temporary_directory.h"

namespace truce::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

// Workloads with a burst of CPU every ten steps, from step `begin` on.
v1::DemandHistoryFile MakeHistory(int workloads, int steps, int begin = 0) {
  v1::DemandHistoryFile history;
  history.mutable_step()->set_seconds(30);
  std::mt19937_64 random(1);
  std::normal_distribution<float> noise(0, 0.05F);
  for (int w = 0; w < workloads; ++w) {
    auto* block = history.add_workloads();
    block->set_application("web");
    block->set_host("h1");
    block->set_workload(StrCat("w", w));
    block->mutable_began_at()->set_seconds(1'700'000'010 + 30 * begin * w);
    for (int i = begin * w; i < steps; ++i) block->add_cpu_cores(((i + w) % 10 < 3 ? 4.0F : 1.0F) + noise(random));
  }
  return history;
}

class RetrainTest : public testing::Test {
 protected:
  RetrainTest() {
    options_.champion = directory_.File("champion.truce");
    std::filesystem::copy_file(ShippedPath("models/demand.truce"), options_.champion);
    options_.input = directory_.File("history");
    options_.output = directory_.File("challenger.truce");
    Write(SerializeDemandHistory(MakeHistory(10, 600)));
  }
  void Write(const std::string& bytes) { std::ofstream(options_.input, std::ios::binary) << bytes; }
  std::string Refusal() {
    const auto verdict = Retrain(options_);
    EXPECT_FALSE(verdict.ok());
    return std::string(verdict.status().message());
  }

  rpc::TemporaryDirectory directory_;
  RetrainOptions options_;
};

TEST_F(RetrainTest, AModelIsAsGoodAsItself) {
  options_.output.clear();
  options_.challenger = options_.champion;
  const auto verdict = Retrain(options_);
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_FALSE(verdict->promoted());
  EXPECT_EQ(verdict->gain_ratio(), 0);
  EXPECT_EQ(verdict->p_value(), 1);
  EXPECT_EQ(verdict->champion_sha256(), verdict->challenger_sha256());
  EXPECT_EQ(verdict->champion_sha256().size(), 64u);
  EXPECT_GT(verdict->champion_loss(), 0);
  EXPECT_LT(verdict->champion_loss(), 1) << "it foresees bursts by the clock better than the last value does";
  EXPECT_EQ(verdict->workload_count(), 10u);
  EXPECT_EQ(verdict->step_count(), 120u);
  EXPECT_THAT(verdict->sentence(), HasSubstr("stays"));
}

TEST_F(RetrainTest, TheChampionIsNeverWrittenTo) {
  const std::string before = Bytes(options_.champion);
  options_.output = directory_.File("same.truce");
  std::filesystem::create_hard_link(options_.champion, options_.output);
  EXPECT_THAT(Refusal(), HasSubstr("choose another"));
  options_.output = options_.input;
  EXPECT_THAT(Refusal(), HasSubstr("choose another"));
  EXPECT_EQ(Bytes(options_.champion), before);
}

TEST_F(RetrainTest, SaysWhatItLacks) {
  EXPECT_THAT(Refusal(), HasSubstr("20000 are needed")) << "10 x 480 values";
  Write(SerializeDemandHistory(MakeHistory(10, 400)));
  EXPECT_THAT(Refusal(), HasSubstr("spans 400 steps; it takes 480"));
  Write("TRUCEDH1 and no more");
  EXPECT_THAT(Refusal(), HasSubstr("no history of demand"));
  Write("");
  EXPECT_THAT(Refusal(), HasSubstr("history"));
  Write(SerializeDemandHistory({}));
  EXPECT_THAT(Refusal(), HasSubstr("step"));
  options_.input = directory_.File("nowhere");
  EXPECT_THAT(Refusal(), HasSubstr("No such file"));
  options_.champion = options_.input;
  EXPECT_THAT(Refusal(), HasSubstr("No such file"));
  EXPECT_FALSE(std::filesystem::exists(options_.output));
}

TEST_F(RetrainTest, WithoutAnythingToDoNothingIsDone) {
  options_.output.clear();
  EXPECT_THAT(Refusal(), HasSubstr("--challenger"));
}

TEST(HistoryTest, SeriesOfWorkloadsLieOnOneGrid) {
  const auto history = ParseHistory("history", SerializeDemandHistory(MakeHistory(3, 600, 100)));
  ASSERT_TRUE(history.ok()) << history.status();
  EXPECT_EQ(history->step_seconds, 30);
  EXPECT_EQ(history->steps, 600u);
  EXPECT_EQ(history->workloads, 3u);
  ASSERT_EQ(history->series.size(), 3u) << "what was never known is no series";
  EXPECT_EQ(history->series[2].begin, 200u);
  EXPECT_EQ(history->series[2].workload, 2u);
  const auto span = NewestSpan(*history);
  ASSERT_TRUE(span.ok());
  EXPECT_EQ(span->begin, 480u);
  EXPECT_EQ(span->blocks, 8u);
  EXPECT_EQ(span->BlockOf(480), 0u);
  EXPECT_EQ(span->BlockOf(599), 7u);
}

TEST(HistoryTest, ACsvIsAHistoryToo) {
  const auto history = ParseHistory("h.csv", "series,t,value\na,0,1\na,30,2\nb,60,5\na,90,3\nb,90,6\n");
  ASSERT_TRUE(history.ok()) << history.status();
  EXPECT_EQ(history->steps, 4u);
  EXPECT_EQ(history->workloads, 2u);
  EXPECT_THAT(history->series[0].values, ElementsAre(1, 2, testing::IsNan(), 3));
  EXPECT_EQ(history->series[1].begin, 2u);
  const auto mixed = ParseHistory("h.csv", "series,t,value\na,0,1\na,30,2\nb,60,5\nb,120,6\n");
  EXPECT_THAT(std::string(mixed.status().message()), HasSubstr("one step"));
}

}  // namespace
}  // namespace truce::lab
