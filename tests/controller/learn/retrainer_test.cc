// The child that retrains may hang, crash, take too much memory or write nonsense: the controller says so, goes on, and
// leaves nothing behind.
#include "controller/learn/retrainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "absl/time/clock.h"
#include "models/forecast/demand_model_file.h"
#include "src/base/shipped.h"
#include "src/base/text.h"
#include "tests/fixtures/tree.h"

namespace truce::controller {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class RetrainerTest : public testing::Test {
 protected:
  RetrainerTest() {
    options_.program = tree_.Path("truce-lab");
    options_.directory = tree_.Path("state/retraining");
    options_.shipped_model = ShippedPath("models/demand.truce");
  }

  // In place of truce-lab: $3 is the champion, $5 the history, $7 the challenger to be.
  void Program(const std::string& script) {
    tree_.Put("truce-lab", StrCat("#!/bin/sh\n", script, "\n"));
    chmod(options_.program.c_str(), 0755);
  }
  Retrainer::Outcome Run(std::optional<std::string> champion = std::nullopt) {
    Retrainer retrainer(options_);
    v1::DemandHistoryFile history;
    history.mutable_step()->set_seconds(30);
    EXPECT_TRUE(retrainer.Start(std::move(champion), std::move(history)));
    while (true) {
      if (auto outcome = retrainer.TakeOutcome()) return *std::move(outcome);
      absl::SleepFor(absl::Milliseconds(5));
    }
  }
  std::string Failure() {
    const Retrainer::Outcome outcome = Run();
    EXPECT_FALSE(outcome.status.ok());
    EXPECT_FALSE(outcome.challenger.has_value());
    EXPECT_THAT(Left(), IsEmpty());
    return std::string(outcome.status.message());
  }
  std::vector<std::string> Left() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  // What truce-lab would say of the shipped model as a challenger.
  std::string Verdict(bool promoted) const {
    std::ifstream file(options_.shipped_model, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    return StrCat(R"({"challenger_sha256":")", ModelDigest(bytes), R"(","gain_ratio":0.1,"p_value":0.001,"promoted":)",
                  promoted ? "true" : "false", R"(,"sentence":"it is so"})");
  }

  test::Tree tree_;
  RetrainerOptions options_;
};

TEST_F(RetrainerTest, ABetterModelIsKeptAndHandedOver) {
  Program(StrCat("cp $3 $7; echo '", Verdict(true), "'"));
  const Retrainer::Outcome outcome = Run();
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  ASSERT_TRUE(outcome.challenger.has_value());
  EXPECT_EQ(outcome.challenger->sentence, "it is so");
  EXPECT_TRUE(ParseDemandModel(outcome.challenger->bytes, "challenger").ok());
  EXPECT_THAT(Left(), testing::ElementsAre("demand.truce")) << "and nothing else is left";
  // It is the next champion.
  tree_.Put("state/retraining/demand.truce", "the best so far");
  Program("cat $3 >&2; exit 1");
  EXPECT_THAT(std::string(Run().status.message()), HasSubstr("the best so far"));
  EXPECT_THAT(std::string(Run("one that was given").status.message()), HasSubstr("one that was given"));
}

TEST_F(RetrainerTest, OneThatIsNotBetterIsNotKept) {
  Program(StrCat("cp $3 $7; echo '", Verdict(false), "'"));
  const Retrainer::Outcome outcome = Run();
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_FALSE(outcome.challenger.has_value());
  EXPECT_THAT(Left(), IsEmpty());
}

TEST_F(RetrainerTest, TheChildIsNicedAndItsFilesAreForTheControllersUserOnly) {
  Program("echo \"$(nice) $(ulimit -d) $(stat -c %a $3 $5 $(dirname $3) | tr '\\n' ' ')\" >&2; exit 1");
  EXPECT_THAT(Failure(), HasSubstr("failed: 19 2097152 600 600 700"));
}

TEST_F(RetrainerTest, OneThatHangsIsEndedWithItsHelpers) {
  options_.time_limit = absl::Milliseconds(300);
  const std::string helper = tree_.Path("helper");
  Program(StrCat("trap '' TERM; sleep 1000 & echo $! > ", helper, "; wait; sleep 1000"));
  EXPECT_THAT(Failure(), HasSubstr("not done within 300ms"));
  int pid = 0;
  std::ifstream(helper) >> pid;
  ASSERT_GT(pid, 0);
  // Killed; whoever took it over may not have reaped it yet.
  std::ifstream status(StrCat("/proc/", pid, "/status"));
  std::string text((std::istreambuf_iterator<char>(status)), std::istreambuf_iterator<char>());
  EXPECT_THAT(text, testing::AnyOf(IsEmpty(), HasSubstr("State:\tZ")));
}

TEST_F(RetrainerTest, OneThatCrashesOrFailsIsToldWithItsLastWords) {
  Program("echo 'terminate called' >&2; kill -SEGV $$");
  EXPECT_THAT(Failure(), HasSubstr("signal 11 (terminate called)"));
  Program("echo 'truce-lab: the history spans 3 steps' >&2; exit 1");
  EXPECT_THAT(Failure(), HasSubstr("the history spans 3 steps"));
  Program("exit 2");
  EXPECT_THAT(Failure(), HasSubstr("said nothing"));
}

TEST_F(RetrainerTest, TooMuchMemoryIsRefusedToIt) {
  options_.memory_bytes = uint64_t{32} << 20;
  Program("head -c 100000000 /dev/zero | tail -c 64000000 > /dev/null");
  EXPECT_THAT(Failure(), HasSubstr("memory exhausted"));
}

TEST_F(RetrainerTest, NonsenseIsNoVerdict) {
  Program("echo hello");
  EXPECT_THAT(Failure(), HasSubstr("no verdict"));
  Program("true");
  EXPECT_THAT(Failure(), HasSubstr("no verdict"));
  Program(R"(echo '{"promoted":true}')");
  EXPECT_THAT(Failure(), HasSubstr("no verdict"));
  Program(StrCat("echo '", Verdict(true), "'"));
  EXPECT_THAT(Failure(), HasSubstr("challenger.truce"));
  Program(StrCat("head -c 1000 $3 > $7; echo '", Verdict(true), "'"));
  EXPECT_THAT(Failure(), HasSubstr("no model that can be used"));
  std::string other = Verdict(true);
  other.replace(other.find("sha256\":\"") + 9, 4, "ffff");
  Program(StrCat("cp $3 $7; echo '", other, "'"));
  EXPECT_THAT(Failure(), HasSubstr("another model"));
}

TEST_F(RetrainerTest, WithoutProgramOrModelThereIsNothingToRun) {
  const Retrainer::Outcome missing = Run();
  EXPECT_TRUE(absl::IsFailedPrecondition(missing.status)) << missing.status;
  EXPECT_THAT(std::string(missing.status.message()), HasSubstr("retraining.program"));
  Program("true");
  options_.shipped_model = tree_.Path("nowhere");
  const Retrainer::Outcome no_model = Run();
  EXPECT_TRUE(absl::IsFailedPrecondition(no_model.status)) << no_model.status;
}

TEST_F(RetrainerTest, WhatAnEarlierTrainingLeftIsRemovedAndNothingElse) {
  tree_.Put("state/retraining/retraining-history.x1", "cut off");
  tree_.Put("state/retraining/controller.db", "not ours");
  Program("exit 3");
  EXPECT_FALSE(Run().status.ok());
  EXPECT_THAT(Left(), testing::ElementsAre("controller.db"));
}

TEST_F(RetrainerTest, OneAtATimeAndItEndsWithTheController) {
  const std::string mark = tree_.Path("started");
  Program(StrCat("trap '' TERM; echo $$ > ", mark, "; while true; do sleep 0.1; done"));
  int pid = 0;
  {
    Retrainer retrainer(options_);
    ASSERT_TRUE(retrainer.Start(std::nullopt, {}));
    EXPECT_FALSE(retrainer.Start(std::nullopt, {}));
    EXPECT_TRUE(retrainer.running());
    EXPECT_FALSE(retrainer.TakeOutcome().has_value());
    while (pid == 0) {
      std::ifstream(mark) >> pid;
      absl::SleepFor(absl::Milliseconds(5));
    }
  }
  EXPECT_FALSE(std::filesystem::exists(StrCat("/proc/", pid)));
  EXPECT_THAT(Left(), IsEmpty());
}

}  // namespace
}  // namespace truce::controller
