// Pairs of programs that levers are tried on: what is shipped is sound, what is wrong in one is named; and the figures.
#include "lab/levers/levers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "src/base/enum_words.h"
#include "src/host/cgroup.h"
#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

using testing::HasSubstr;

TEST(LeverPairTest, EveryLeverHasAPair) {
  const auto pairs = ReadLeverPairs(TRUCE_SOURCE_DIR "/lab/levers/pairs");
  ASSERT_TRUE(pairs.ok()) << pairs.status();
  std::set<std::string> levers;
  for (const LeverPair& pair : *pairs) {
    EXPECT_FALSE(pair.about.empty()) << pair.name;
    levers.insert(EnumWord(pair.lever));
  }
  // A migration takes two hosts.
  for (const std::string& lever : EnumWords<v1::Lever>())
    EXPECT_EQ(levers.contains(lever), lever != "migrate") << lever;
}

TEST(LeverPairTest, NamesWhatIsWrong) {
  const auto error = [](const char* text) {
    const test::Tree tree({{"broken.yaml", text}});
    return std::string(ReadLeverPairs(tree.root()).status().message());
  };
  EXPECT_THAT(error("victim: a\naggressor: b\n"), HasSubstr("lever: must say which"));
  EXPECT_THAT(error("lever: cpu_pinn\nvictim: a\naggressor: b\n"), HasSubstr("cpu_pin, cpu_quota"));
  EXPECT_THAT(error("lever: cpu_pin\naggressor: b\n"), HasSubstr("victim: must be a script"));
  EXPECT_THAT(error("lever: cpu_pin\nvictim: a\naggressor: b\ncors: 1\n"), HasSubstr("cors: unknown key"));
  EXPECT_THAT(error("lever: cpu_weight\nvictim: a\naggressor: b\nweight: -1\n"), HasSubstr("out of range"));
  EXPECT_THAT(error("lever: cpu_quota\nvictim: a\naggressor: b\n"), HasSubstr("cores: a quota needs a value"));
  EXPECT_THAT(error("lever: migrate\nvictim: a\naggressor: b\n"), HasSubstr("between two hosts"));
  EXPECT_THAT(error("lever: disk_cap\nvictim: a\naggressor: b\n"), HasSubstr("bytes_per_second: a cap needs"));
  const test::Tree tree({{"...yaml", "lever: cpu_pin\nvictim: a\naggressor: b\n"}});
  EXPECT_THAT(std::string(ReadLeverPairs(tree.root()).status().message()), HasSubstr("small letters"));
}

// A work directory may hold other things; they are not the lab's to remove.
TEST(LeversTest, LeavesADirectoryOfItsNameAlone) {
  if (!host::CgroupLayout::Detect("/sys/fs/cgroup").ok()) GTEST_SKIP() << "no cgroups here";
  const test::Tree pairs({{"thesis.yaml", "lever: cpu_pin\nvictim: 'true'\naggressor: 'true'\nprepare: exit 3\n"}});
  const test::Tree work({{"levers-thesis/important", "years of work"}});
  chmod(work.root().c_str(), 0700);
  LeversOptions options;
  options.pairs = pairs.root();
  options.work_directory = work.root();
  ShutdownSignals signals;
  auto outcomes = TryLevers(options, signals);
  ASSERT_TRUE(outcomes.ok()) << outcomes.status();
  EXPECT_THAT(outcomes->at(0).failed, HasSubstr("levers-thesis"));
  EXPECT_TRUE(std::filesystem::exists(work.Path("levers-thesis/important")));
  work.Remove("levers-thesis");
  outcomes = TryLevers(options, signals);
  ASSERT_TRUE(outcomes.ok()) << outcomes.status();
  EXPECT_THAT(outcomes->at(0).failed, HasSubstr("its script to prepare ended with 3"));
  EXPECT_FALSE(std::filesystem::exists(work.Path("levers-thesis"))) << "nothing is left";
}

TEST(LeverFiguresTest, AreRatiosToAloneAndToBefore) {
  LeverOutcome outcome;
  outcome.pair.name = "disk_cap";
  outcome.rounds = {
      {1.0, 4.0, 1.5, 10.0, 2.0, true}, {1.0, 5.0, 1.2, 10.0, 3.0, true}, {2.0, 6.0, 2.2, 10.0, 4.0, false}};
  LeverOutcome none;
  none.pair.name = "network_cap";
  none.left_out = "needs ip";
  const FigureTable table = LeverFigures({outcome, none});
  ASSERT_EQ(table.figures().size(), 4u);
  EXPECT_DOUBLE_EQ(table.figures()[0].value, 4);
  EXPECT_DOUBLE_EQ(table.figures()[1].value, 1.2);
  EXPECT_DOUBLE_EQ(table.figures()[2].value, 0.3);
  EXPECT_FALSE(*table.figures()[3].Met()) << "one round that left a file changed is one too many";
}

}  // namespace
}  // namespace truce::lab
