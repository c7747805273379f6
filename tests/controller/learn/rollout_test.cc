// A rollout ends well whatever is proposed: what is worse is taken back, what is better goes to all, and a restart
// anywhere changes nothing.
#include "controller/learn/rollout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/controller/learn/rollout_fleet.h"

namespace truce::controller {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string& Bytes() {
  static const std::string* const kBytes = new std::string(ModelBytes("challenger"));
  return *kBytes;
}
const std::string& Other() {
  static const std::string* const kBytes = new std::string(ModelBytes("another"));
  return *kBytes;
}
std::string Sha() {
  return FileSha256(Bytes());
}

TEST(RolloutTest, ABetterOneIsTriedByFewThenGoesToAll) {
  RolloutFleet fleet(40);
  fleet.loss_of[Sha()] = 0.8;
  fleet.Run(60);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  fleet.Run(30);
  EXPECT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_CANARY) << "before an hour is over";
  int have = 0;
  for (int i = 0; i < 40; ++i) have += fleet.InUse(StrCat("host-", i)) == Sha() ? 1 : 0;
  EXPECT_EQ(have, 2) << "5 % of 40";
  fleet.Run(120);
  EXPECT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_WATCHED) << fleet.Told("model_rolled_back");
  for (int i = 0; i < 40; ++i) EXPECT_EQ(fleet.InUse(StrCat("host-", i)), Sha());
  EXPECT_THAT(fleet.Told("model_promoted"), AllOf(HasSubstr("challenger"), HasSubstr("lower")));
  fleet.Run(6 * 60);
  EXPECT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_SETTLED) << "not watched for ever";
  EXPECT_THAT(fleet.Told("model_rolled_back"), IsEmpty());
}

class WorseModelTest : public testing::TestWithParam<std::tuple<int, double>> {};

TEST_P(WorseModelTest, IsTakenBackAndNeverTriedAgain) {
  const auto [hosts, loss] = GetParam();
  RolloutFleet fleet(hosts);
  fleet.loss_of[Sha()] = loss;
  fleet.Run(120);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  fleet.Run(25 * 60);
  EXPECT_THAT(fleet.Told("model_promoted"), IsEmpty());
  EXPECT_THAT(fleet.Told("model_rolled_back"),
              HasSubstr("hosts go back to the demand model that each agent came with"));
  for (int i = 0; i < hosts; ++i) EXPECT_EQ(fleet.InUse(StrCat("host-", i)), RolloutFleet::kOwn);
  const absl::Status again = fleet.Propose(Bytes());
  EXPECT_THAT(again.message(), HasSubstr("rolled back once"));
  fleet.Restart();
  EXPECT_THAT(fleet.Propose(Bytes()).message(), HasSubstr("rolled back once")) << "nor after a restart";
}

INSTANTIATE_TEST_SUITE_P(Fleets, WorseModelTest,
                         testing::Combine(testing::Values(1, 3, 40), testing::Values(0.97, 1.2, 30.0)));

TEST(RolloutTest, AMuchWorseOneDoesNotLastTheHour) {
  RolloutFleet fleet(20);
  fleet.loss_of[Sha()] = 2;
  fleet.Run(120);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  fleet.Run(20);
  EXPECT_THAT(fleet.Told("model_rolled_back"), HasSubstr("higher"));
}

TEST(RolloutTest, EquallyGoodOnesAreSeldomTakenBackForWorse) {
  int taken_back = 0;
  for (int i = 0; i < 40; ++i) {
    RolloutFleet fleet(10);
    fleet.Run(60 + i);
    ASSERT_TRUE(fleet.Propose(Bytes()).ok());
    fleet.Run(3 * 60);
    if (fleet.Told("model_rolled_back").find("higher") != std::string::npos) ++taken_back;
  }
  EXPECT_LE(taken_back, 2) << "1 % is promised";
}

TEST(RolloutTest, OneThatBecomesWorseAfterItsPromotionIsTakenBackFromAll) {
  for (const int hosts : {1, 30}) {
    RolloutFleet fleet(hosts);
    fleet.loss_of[Sha()] = 0.8;
    fleet.Run(120);
    ASSERT_TRUE(fleet.Propose(Bytes()).ok());
    fleet.Run(90);
    ASSERT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_WATCHED) << hosts << " hosts";
    fleet.loss_of[Sha()] = 1.6;
    fleet.Run(120);
    EXPECT_THAT(fleet.Told("model_rolled_back"), HasSubstr("higher")) << hosts << " hosts";
    for (int i = 0; i < hosts; ++i) EXPECT_EQ(fleet.InUse(StrCat("host-", i)), RolloutFleet::kOwn);
    EXPECT_THAT(fleet.Propose(Bytes()).message(), HasSubstr("rolled back once"));
  }
}

TEST(RolloutTest, ThereIsOneOnTrialAtATime) {
  RolloutFleet fleet(10);
  fleet.loss_of[Sha()] = 0.8;
  fleet.Run(60);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  bool promoted = false;
  fleet.each_minute = [&] {
    EXPECT_LE(fleet.Count(v1::MODEL_ROLE_CHALLENGER), 1);
    if (fleet.rollout().phase() != v1::ROLLOUT_PHASE_SETTLED) {
      EXPECT_EQ(fleet.Propose(Other()).code(), absl::StatusCode::kFailedPrecondition);
    }
    promoted = promoted || fleet.rollout().phase() == v1::ROLLOUT_PHASE_WATCHED;
  };
  fleet.Run(9 * 60);
  EXPECT_TRUE(promoted);
  fleet.each_minute = nullptr;
  EXPECT_EQ(fleet.Propose(Bytes()).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(fleet.Propose(Other()).ok());
}

// The same fleet with and without a controller that is replaced by another one, at any minute.
TEST(RolloutTest, ARestartAnywhereChangesNothing) {
  for (const double loss : {0.8, 1.3}) {
    const auto outcome = [&](int restart_at) {
      RolloutFleet fleet(20);
      fleet.loss_of[Sha()] = loss;
      fleet.Run(90);
      EXPECT_TRUE(fleet.Propose(Bytes()).ok());
      std::vector<std::string> phases;
      int minute = 0;
      fleet.each_minute = [&] {
        if (++minute == restart_at) fleet.Restart();
        phases.push_back(v1::RolloutPhase_Name(fleet.rollout().phase()));
      };
      fleet.Run(200);
      return phases;
    };
    const auto without = outcome(-1);
    for (const int at : {1, 3, 7, 20, 59, 61}) {
      const auto with = outcome(at);
      EXPECT_EQ(with, without) << "loss " << loss << ", restart at minute " << at;
    }
  }
}

TEST(RolloutTest, WhatIsNoModelIsNotProposed) {
  RolloutFleet fleet(3);
  EXPECT_EQ(fleet.Propose("TRUCEDM1").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(fleet.rollout().Propose(v1::MODEL_KIND_INTERFERENCE, Bytes(), "", fleet.now()).code(),
            absl::StatusCode::kInvalidArgument);
  std::string damaged = Bytes();
  damaged[damaged.size() / 2] ^= 1;
  EXPECT_EQ(fleet.Propose(damaged).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_SETTLED);
  EXPECT_THAT(fleet.news, IsEmpty());
}

TEST(RolloutTest, AloneAHostIsJudgedAgainstItsOwnPastAndNotWithoutOne) {
  RolloutFleet fleet(1);
  EXPECT_THAT(fleet.Propose(Bytes()).message(), HasSubstr("too few forecasts"));
  fleet.loss_of[Sha()] = 0.7;
  fleet.Run(120);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  fleet.Run(180);
  EXPECT_EQ(fleet.InUse("host-0"), Sha()) << fleet.Told("model_rolled_back");
  EXPECT_THAT(fleet.Told("model_promoted"), HasSubstr("goes to all hosts"));
}

TEST(RolloutTest, ARefusalOnACanaryHostTakesItBack) {
  RolloutFleet fleet(5);
  fleet.Run(10);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  for (int i = 0; i < 5; ++i) {
    const std::string host = StrCat("host-", i);
    if (fleet.rollout().OfferFor(host)) fleet.Answer(host, Sha(), false, "its self-test gives another result");
  }
  fleet.Run(1);
  EXPECT_THAT(fleet.Told("model_refused"), HasSubstr("self-test"));
  EXPECT_THAT(fleet.Told("model_rolled_back"), HasSubstr("refused it"));
  EXPECT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_SETTLED);
}

TEST(RolloutTest, AnUnwillingHostSaysNothingOfTheModelAndAnotherTriesIt) {
  RolloutFleet fleet(5);
  fleet.Run(10);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  std::set<std::string> asked;
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 5; ++i) {
      const std::string host = StrCat("host-", i);
      if (!fleet.rollout().OfferFor(host)) continue;
      asked.insert(host);
      fleet.Answer(host, Sha(), false, "model.accept_sent is false on this host", true);
      break;
    }
  }
  EXPECT_EQ(asked.size(), 4u) << "each is asked once";
  EXPECT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_CANARY) << "the last one tries it, against the other four";
  EXPECT_EQ(fleet.Count(v1::MODEL_ROLE_ROLLED_BACK), 0);
}

TEST(RolloutTest, AnAgentThatGoesAwayRightAfterwardsTakesItBackAndABlinkDoesNot) {
  for (const bool comes_back : {true, false}) {
    RolloutFleet fleet(5);
    fleet.Run(10);
    ASSERT_TRUE(fleet.Propose(Bytes()).ok());
    fleet.TakeOffers();
    std::string canary;
    for (int i = 0; i < 5; ++i) {
      if (fleet.InUse(StrCat("host-", i)) == Sha()) canary = StrCat("host-", i);
    }
    ASSERT_FALSE(canary.empty());
    fleet.rollout().OnLost(canary, fleet.In(absl::Seconds(5)));
    if (comes_back) fleet.Hello(canary);
    fleet.Run(3);
    EXPECT_EQ(fleet.rollout().phase(), comes_back ? v1::ROLLOUT_PHASE_CANARY : v1::ROLLOUT_PHASE_SETTLED);
    if (!comes_back) {
      EXPECT_THAT(fleet.Told("model_rolled_back"), HasSubstr("went away"));
      continue;
    }
    // Starting it again and again is no blink.
    for (int i = 0; i < ModelRollout::kMostLosses; ++i) {
      fleet.rollout().OnLost(canary, fleet.In(absl::Seconds(i)));
      fleet.Hello(canary);
    }
    EXPECT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_SETTLED);
  }
}

// The host that is offered the challenger, or "".
std::string Canary(RolloutFleet* fleet, int hosts) {
  for (int i = 0; i < hosts; ++i) {
    if (fleet->rollout().OfferFor(StrCat("host-", i))) return StrCat("host-", i);
  }
  return "";
}

TEST(RolloutTest, ACanaryThatGoesAwayBeforeItTriesIsReplaced) {
  RolloutFleet fleet(10);
  fleet.loss_of[Sha()] = 0.8;
  fleet.Run(60);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  const std::string canary = Canary(&fleet, 10);
  fleet.Lose(canary);
  fleet.Run(2);
  EXPECT_THAT(fleet.Told("model_canary"), HasSubstr("1 host went away before trying"));
  fleet.Run(100);
  EXPECT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_WATCHED) << fleet.Told("model_rolled_back");
  EXPECT_EQ(fleet.InUse(canary), RolloutFleet::kOwn);
}

TEST(RolloutTest, OneThatEndsWhomeverItIsGivenToEndsFew) {
  RolloutFleet fleet(20);
  fleet.Run(60);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  std::set<std::string> ended;
  for (int minute = 0; minute < 60; ++minute) {
    if (const std::string canary = Canary(&fleet, 20); !canary.empty()) {
      fleet.Lose(canary);
      ended.insert(canary);
    }
    fleet.Run(1);
  }
  EXPECT_EQ(ended.size(), 1u + ModelRollout::kMostReplacements);
}

TEST(RolloutTest, OneThatNobodyEverTriedMayBeProposedAgain) {
  RolloutFleet fleet(1);
  fleet.Run(120);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  fleet.Lose("host-0");
  fleet.Run(25 * 60);
  EXPECT_THAT(fleet.Told("model_rolled_back"), HasSubstr("0 forecasts came due"));
  EXPECT_EQ(fleet.Count(v1::MODEL_ROLE_ROLLED_BACK), 0);
  fleet.away.clear();
  fleet.Hello("host-0");
  fleet.Run(60);
  EXPECT_TRUE(fleet.Propose(Bytes()).ok());
}

TEST(RolloutTest, AChampionThatSomeRefuseIsJudgedByTheOthersAndOneThatManyRefuseIsTakenBack) {
  for (const int refusing : {4, 8}) {
    RolloutFleet fleet(20);
    fleet.loss_of[Sha()] = 0.8;
    fleet.Run(90);
    ASSERT_TRUE(fleet.Propose(Bytes()).ok());
    while (fleet.rollout().phase() == v1::ROLLOUT_PHASE_CANARY) fleet.Run(1);
    ASSERT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_WATCHED);
    for (int i = 0, refused = 0; refused < refusing; ++i) {
      const auto offer = fleet.rollout().OfferFor(StrCat("host-", i));
      if (!offer) continue;
      fleet.Answer(StrCat("host-", i), offer->sha256(), false, "its self-test gives another result");
      ++refused;
    }
    // And some have not fetched it yet.
    for (int i = 0, late = 0; late < 2; ++i) {
      if (!fleet.rollout().OfferFor(StrCat("host-", i))) continue;
      fleet.away.insert(StrCat("host-", i));
      ++late;
    }
    fleet.loss_of[Sha()] = 1.6;
    fleet.Run(refusing == 4 ? 120 : 2);
    EXPECT_THAT(fleet.Told("model_rolled_back"), HasSubstr(refusing == 4 ? "higher" : "8 of 20 hosts refused it"));
    EXPECT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_SETTLED);
  }
}

// Set ahead by a year and back again: neither has a year passed, nor does it take one until something passes.
TEST(RolloutTest, AWallClockThatIsSetNeitherHurriesNorStopsATrial) {
  RolloutFleet fleet(20);
  fleet.loss_of[Sha()] = 0.8;
  fleet.Run(60);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  fleet.Run(5);
  fleet.ahead = absl::Hours(24 * 365);
  fleet.Run(5);
  EXPECT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_CANARY);
  fleet.ahead = absl::ZeroDuration();
  fleet.Run(110);
  EXPECT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_WATCHED);
  fleet.Run(6 * 60);
  EXPECT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_SETTLED);
}

TEST(RolloutTest, ATrialThatAClockBeganThatWasAheadGoesOnInTheNextRun) {
  RolloutFleet fleet(20);
  fleet.loss_of[Sha()] = 0.8;
  fleet.ahead = absl::Hours(24);
  fleet.Restart();
  fleet.Run(60);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  fleet.Run(5);
  fleet.ahead = absl::ZeroDuration();
  fleet.Restart();
  fleet.Run(150);
  EXPECT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_WATCHED) << fleet.Told("model_rolled_back");
}

TEST(RolloutTest, AnOperatorTakesTheChallengerOrTheChampionBack) {
  RolloutFleet fleet(10);
  fleet.loss_of[Sha()] = 0.8;
  fleet.Run(60);
  EXPECT_EQ(fleet.rollout().RollBack(Sha(), "alice", "", fleet.now()).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  fleet.Run(120);
  ASSERT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_WATCHED);
  EXPECT_EQ(fleet.rollout().RollBack("", "alice", "", fleet.now()).status().code(), absl::StatusCode::kNotFound);
  const auto taken = fleet.rollout().RollBack(Sha().substr(0, 8), "operator alice", "odd", fleet.now());
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->model.sha256(), Sha());
  EXPECT_EQ(taken->instead.sha256(), "");
  fleet.Run(1);
  EXPECT_THAT(fleet.Told("model_rolled_back"), HasSubstr("operator alice asked for it: odd"));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(fleet.InUse(StrCat("host-", i)), RolloutFleet::kOwn);
}

TEST(RolloutTest, HostsThatKnowNothingOfModelsAreLeftAlone) {
  RolloutFleet fleet(0);
  fleet.rollout().OnHello("old", {}, fleet.now());
  EXPECT_THAT(fleet.Propose(Bytes()).message(), HasSubstr("no host is connected whose agent takes models"));
  EXPECT_FALSE(fleet.rollout().OfferFor("old").has_value());
}

TEST(RolloutTest, PartsComeOfWhatIsOnOfferAndOfNothingElse) {
  RolloutFleet fleet(3);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  v1::ModelRequest request;
  request.set_sha256(Sha());
  std::string received;
  while (received.size() < Bytes().size()) {
    request.set_offset(received.size());
    const v1::ModelChunk chunk = fleet.rollout().Chunk(request);
    ASSERT_FALSE(chunk.data().empty());
    received += chunk.data();
  }
  EXPECT_EQ(received, Bytes());
  for (const uint64_t offset : {Bytes().size(), size_t{UINT64_MAX}}) {
    request.set_offset(offset);
    EXPECT_THAT(fleet.rollout().Chunk(request).data(), IsEmpty());
  }
  request.set_offset(0);
  request.set_sha256("../../etc/passwd");
  EXPECT_THAT(fleet.rollout().Chunk(request).data(), IsEmpty());
}

// One host's absurd losses must decide nothing for the others.
TEST(RolloutTest, HostileNumbersDecideNothing) {
  RolloutFleet fleet(30);
  fleet.loss_of[Sha()] = 0.8;
  fleet.Run(60);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  fleet.each_minute = [&] {
    v1::ForecastErrors errors;
    errors.set_model_sha256(Sha());
    errors.set_count(1'000'000);
    errors.set_loss_sum(1e12);
    errors.set_naive_loss_sum(1);
    errors.set_squared_gain_sum(1e18);
    for (const auto& host : {"stranger", "host-0"}) {
      if (fleet.InUse("host-0") != Sha()) fleet.rollout().Observe(host, errors, fleet.now());
    }
  };
  fleet.Run(120);
  EXPECT_THAT(fleet.Told("model_promoted"), Not(IsEmpty())) << fleet.Told("model_rolled_back");
}

TEST(RolloutTest, AModelWhoseFileIsGoneIsNotOfferedAfterARestart) {
  RolloutFleet fleet(5);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  std::filesystem::remove_all(fleet.library().directory());
  fleet.Restart();
  EXPECT_EQ(fleet.rollout().phase(), v1::ROLLOUT_PHASE_SETTLED);
  fleet.Run(1);
  EXPECT_THAT(fleet.Told("model_rolled_back"), HasSubstr("can't be sent any more"));
}

TEST(RolloutTest, HostsFetchInTurns) {
  RolloutFleet fleet(30);
  fleet.loss_of[Sha()] = 0.7;
  fleet.Run(60);
  ASSERT_TRUE(fleet.Propose(Bytes()).ok());
  EXPECT_EQ(fleet.rollout().TakeDueHosts(100).size(), 2u);
  EXPECT_THAT(fleet.rollout().TakeDueHosts(100), IsEmpty()) << "once";
  while (fleet.rollout().phase() == v1::ROLLOUT_PHASE_CANARY) fleet.Run(1);
  std::set<std::string> due;
  for (auto some = fleet.rollout().TakeDueHosts(10); !some.empty(); some = fleet.rollout().TakeDueHosts(10)) {
    EXPECT_LE(some.size(), 10u);
    due.insert(some.begin(), some.end());
  }
  EXPECT_EQ(due.size(), 28u);
}

}  // namespace
}  // namespace truce::controller
