#include "agent/predict/model_scorer.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "agent/predict/model_slot.h"
#include "tests/models/interference/made_up.h"

namespace truce::agent {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

ModelFile SomeModel(std::string version = "one", uint64_t seed = 21) {
  return {std::move(version),
          "somewhere",
          {{{}, 0.9, 0.95},
           {{FeatureGroup::kCounters, FeatureGroup::kRunQueue, FeatureGroup::kMemory, FeatureGroup::kDisk,
             FeatureGroup::kNetwork, FeatureGroup::kHost},
            0.6,
            0.7}},
          InterferenceModel(RandomWeights(seed), Calibration(), AnythingGoes())};
}

Topology TwoCpus() {
  return *Topology::Parse("0:0:0:0,1:1:0:0");
}

ModelScorerOptions TellAll() {
  ModelScorerOptions options;
  options.report_floor = 0;
  options.least_samples = 2;
  return options;
}

// Profiles as the profiler keeps them, fed by hand.
class Workloads {
 public:
  Profile& Add(uint64_t key, std::vector<int> cpus) {
    auto profile = std::make_unique<Profile>(ProfilerOptions());
    profile->free_cpus = std::move(cpus);
    return *(profiles_[key] = std::move(profile));
  }
  void Remove(uint64_t key) { profiles_.erase(key); }
  void Second() {
    ++now_;
    for (auto& [key, profile] : profiles_) {
      Sample sample;
      sample.taken_at = absl::Seconds(now_);
      sample.set(Reading::kCpuUsageCores, 0.4 + 0.3 * static_cast<double>(key));
      sample.set(Reading::kCpuAllowedCount,
                 static_cast<double>(profile->free_cpus.empty() ? 2 : profile->free_cpus.size()) - held_);
      sample.set(Reading::kPsiCpuSomeRatio, 0.1 * static_cast<double>(now_ % 3));
      profile->window.Add(sample);
      ++profile->samples_seen;
      profile->usage.Learn(sample.value(Reading::kCpuUsageCores));
    }
  }
  const Profiles& profiles() const { return profiles_; }
  // So many of everybody's CPUs are held back by an action from now on.
  void Hold(int cpus) { held_ = cpus; }

 private:
  Profiles profiles_;
  int now_ = 0;
  int held_ = 0;
};

std::map<std::pair<uint64_t, uint64_t>, ModelScore> ByPair(const std::vector<ModelScore>& scores) {
  std::map<std::pair<uint64_t, uint64_t>, ModelScore> by_pair;
  for (const ModelScore& score : scores) by_pair[{score.victim, score.aggressor}] = score;
  return by_pair;
}

// The model's prediction for a pair of profiles, by another way than the scorer's.
InterferencePrediction Expected(const Profile& victim, const Profile& aggressor) {
  InterferenceExample example;
  const auto sequence = [](const Profile& profile) {
    InputSequence inputs;
    for (size_t age = profile.window.size(); age-- > 0;) inputs.push_back(MakeModelInput(profile.window.back(age)));
    return inputs;
  };
  example.victim = sequence(victim);
  example.aggressors = {sequence(aggressor)};
  example.contexts = {ShareOf(TwoCpus(), victim.free_cpus, aggressor.free_cpus)};
  InterferenceModel model = SomeModel().model;
  return model.Predict(example);
}

TEST(ModelScorerTest, ScoresEachOrderedPairAsTheModelWouldOnItsOwn) {
  Workloads host;
  host.Add(1, {0, 1});
  host.Add(2, {0});
  host.Add(3, {1});
  ModelScorer scorer(SomeModel(), TwoCpus(), TellAll());
  for (int i = 0; i < 8; ++i) {
    host.Second();
    scorer.Tick(host.profiles());
  }
  const auto scores = ByPair(scorer.Score(host.profiles()));
  ASSERT_THAT(scores, SizeIs(6));
  for (const auto& [pair, score] : scores) {
    const auto expected = Expected(*host.profiles().at(pair.first), *host.profiles().at(pair.second));
    EXPECT_NEAR(score.probability, expected.probability, 1e-5);
    EXPECT_NEAR(score.log_slowdown, expected.log_slowdown, 1e-5);
    EXPECT_NEAR(score.reach, expected.reach, 1e-5);
  }
  EXPECT_NE((scores.at({1, 2}).probability), (scores.at({2, 1}).probability)) << "a pair has two directions";
}

TEST(ModelScorerTest, WhoIsHeldIsScoredAsIfItWasLetGo) {
  Workloads free, held;
  std::vector<double> severities;
  for (Workloads* host : {&free, &held}) {
    host->Add(1, {0, 1});
    host->Add(2, {0, 1});
    if (host == &held) host->Hold(1);
    ModelScorer scorer(SomeModel(), TwoCpus(), TellAll());
    for (int i = 0; i < 8; ++i) {
      host->Second();
      scorer.Tick(host->profiles());
    }
    severities.push_back(ByPair(scorer.Score(host->profiles())).at({1, 2}).severity());
  }
  EXPECT_EQ(severities[0], severities[1]);
}

TEST(ModelScorerTest, SignsEachWorkloadAtWorkNowAndThen) {
  Workloads host;
  for (uint64_t key = 1; key <= 7; ++key) host.Add(key, {0, 1});
  host.Add(8, {0, 1}).samples_since_held = 3;
  ModelScorerOptions options = TellAll();
  options.busy_cores = 0.8;  // the first one's 0.7 are idle
  ModelScorer scorer(SomeModel(), TwoCpus(), options);
  std::map<uint64_t, int> signed_times;
  for (int i = 0; i < 23 + 65; ++i) {
    host.Second();
    scorer.Tick(host.profiles());
    const auto signatures = scorer.Sign(host.profiles());
    if (i < 23) {
      EXPECT_THAT(signatures, IsEmpty()) << "a fingerprint needs samples";
    }
    EXPECT_LE(signatures.size(), 2u) << "they are spread over the rounds";
    for (const auto& [key, signature] : signatures) {
      ++signed_times[key];
      EXPECT_EQ(signature.model_version(), "one");
      EXPECT_EQ(signature.embedding_size(), RandomWeights(21).fingerprint());
    }
  }
  const std::map<uint64_t, int> twice = {{2, 2}, {3, 2}, {4, 2}, {5, 2}, {6, 2}, {7, 2}};
  EXPECT_EQ(signed_times, twice) << "neither who is idle nor who is held";
}

TEST(ModelScorerTest, WorkloadsMayComeAndGoBetweenTicks) {
  Workloads host;
  for (uint64_t key = 1; key <= 5; ++key) host.Add(key, {0, 1});
  ModelScorer scorer(SomeModel(), TwoCpus(), TellAll());
  for (int i = 0; i < 12; ++i) {
    if (i == 4) host.Remove(2);
    if (i == 6) host.Add(9, {0});
    if (i == 8) host.Remove(5);
    host.Second();
    scorer.Tick(host.profiles());
  }
  const auto scores = ByPair(scorer.Score(host.profiles()));
  ASSERT_THAT(scores, SizeIs(4 * 3));
  for (const auto& [pair, score] : scores) {
    const auto expected = Expected(*host.profiles().at(pair.first), *host.profiles().at(pair.second));
    EXPECT_NEAR(score.probability, expected.probability, 1e-5) << pair.first << " <- " << pair.second;
  }
  EXPECT_FALSE(scorer.Find(2).has_value());
  EXPECT_TRUE(scorer.Find(9).has_value());
}

TEST(ModelScorerTest, ANewcomerDoesNotInheritThePlaceOfOneThatLeftAtTheSameTime) {
  Workloads host;
  for (uint64_t key = 1; key <= 3; ++key) host.Add(key, {0});
  ModelScorer scorer(SomeModel(), TwoCpus(), TellAll());
  for (int i = 0; i < 10; ++i) {
    if (i == 5) {
      host.Remove(2);
      host.Add(8, {0});
    }
    host.Second();
    scorer.Tick(host.profiles());
  }
  const auto scores = ByPair(scorer.Score(host.profiles()));
  ASSERT_THAT(scores, SizeIs(6));
  for (const auto& [pair, score] : scores) {
    const auto expected = Expected(*host.profiles().at(pair.first), *host.profiles().at(pair.second));
    EXPECT_NEAR(score.probability, expected.probability, 1e-5) << pair.first << " <- " << pair.second;
  }
}

TEST(ModelScorerTest, PairsThatAreAskedForAreToldHoweverSmall) {
  Workloads host;
  for (uint64_t key = 1; key <= 3; ++key) host.Add(key, {0});
  ModelScorerOptions options = TellAll();
  options.report_floor = 101;
  ModelScorer scorer(SomeModel(), TwoCpus(), options);
  for (int i = 0; i < 5; ++i) {
    host.Second();
    scorer.Tick(host.profiles());
  }
  EXPECT_THAT(scorer.Score(host.profiles()), IsEmpty());
  const auto scores = ByPair(scorer.Score(host.profiles(), {{1, 3}}));
  ASSERT_THAT(scores, SizeIs(1));
  EXPECT_TRUE(scores.contains({1, 3}));
}

TEST(ModelScorerTest, ATickThatBroughtNoSampleDoesNotCountTwice) {
  Workloads host;
  host.Add(1, {0});
  host.Add(2, {0});
  ModelScorer once(SomeModel(), TwoCpus(), TellAll());
  ModelScorer twice(SomeModel(), TwoCpus(), TellAll());
  for (int i = 0; i < 6; ++i) {
    host.Second();
    once.Tick(host.profiles());
    twice.Tick(host.profiles());
    twice.Tick(host.profiles());
  }
  EXPECT_EQ(once.Score(host.profiles())[0].probability, twice.Score(host.profiles())[0].probability);
}

TEST(ModelScorerTest, AModelThatTakesOverKnowsTheLastSamples) {
  Workloads host;
  host.Add(1, {0});
  host.Add(2, {0});
  ModelScorer old(SomeModel(), TwoCpus(), TellAll());
  for (int i = 0; i < 20; ++i) {
    host.Second();
    old.Tick(host.profiles());
  }
  ModelScorer fresh(SomeModel(), TwoCpus(), TellAll());
  fresh.CatchUp(host.profiles());
  ASSERT_THAT(fresh.Score(host.profiles()), SizeIs(2));
  EXPECT_NEAR(fresh.Score(host.profiles())[0].probability, old.Score(host.profiles())[0].probability, 1e-5);
}

TEST(ModelScorerTest, SaysNothingOfVictimsThatAreTooSmallOrTooNew) {
  Workloads host;
  Profile& small = host.Add(1, {0});
  host.Add(2, {0});
  ModelScorerOptions options = TellAll();
  options.least_victim_cores = 0.9;  // the first uses 0.7, the second 1.0
  ModelScorer scorer(SomeModel(), TwoCpus(), options);
  host.Second();
  scorer.Tick(host.profiles());
  EXPECT_THAT(scorer.Score(host.profiles()), IsEmpty()) << "seen once";
  for (int i = 0; i < 5; ++i) {
    host.Second();
    scorer.Tick(host.profiles());
  }
  const auto scores = ByPair(scorer.Score(host.profiles()));
  EXPECT_FALSE(scores.contains({1, 2})) << small.usage.mean();
  EXPECT_TRUE(scores.contains({2, 1}));
}

TEST(ModelScorerTest, FewerReadingsMeanLessConfidence) {
  Workloads host;  // has usage and pressure, and nothing else
  host.Add(1, {0});
  host.Add(2, {0});
  ModelScorer scorer(SomeModel(), TwoCpus(), TellAll());
  for (int i = 0; i < 5; ++i) {
    host.Second();
    scorer.Tick(host.profiles());
  }
  EXPECT_NEAR(scorer.Score(host.profiles())[0].confidence, 0.6, 1e-6);
}

TEST(ModelScorerTest, AmongStrangersItSaysThatItDoesNotKnow) {
  ModelFile file = SomeModel();
  Familiarity strict = file.model.familiarity();
  strict.distances = {1e-6F, 2e-6F};
  file.model = InterferenceModel(file.model.weights(), file.model.calibration(), strict);
  Workloads host;
  host.Add(1, {0});
  host.Add(2, {0});
  ModelScorer scorer(std::move(file), TwoCpus(), TellAll());
  for (int i = 0; i < 5; ++i) {
    host.Second();
    scorer.Tick(host.profiles());
  }
  for (const ModelScore& score : scorer.Score(host.profiles())) EXPECT_EQ(score.confidence, 0);
}

// A file in a directory of its own.
class ModelSlotTest : public testing::Test {
 protected:
  ModelSlotTest() {
    directory_ = std::filesystem::temp_directory_path() / ("truce_model_slot_" + std::to_string(getpid()));
    std::filesystem::create_directory(directory_);
  }
  ~ModelSlotTest() override { std::filesystem::remove_all(directory_); }
  std::string file() const { return directory_ / "m.truce"; }
  void Put(const std::string& bytes) {
    // As an installer does: a new file under the old name.
    std::ofstream(directory_ / "new") << bytes;
    std::filesystem::rename(directory_ / "new", file());
  }
  static std::string Bytes(const std::string& version, uint64_t seed = 21) {
    return SerializeModel(SomeModel(version, seed), MadeUpMeetings(6, 1, 2).front());
  }

  std::filesystem::path directory_;
  Workloads host_;
};

TEST_F(ModelSlotTest, GoesOnWithoutAModelUntilOneIsThere) {
  ModelSlot slot(file(), TwoCpus(), TellAll());
  EXPECT_THAT(slot.Refresh(host_.profiles()).value_or(""), HasSubstr("evidence goes on alone"));
  EXPECT_EQ(slot.scorer(), nullptr);
  EXPECT_FALSE(slot.status().ok());
  EXPECT_FALSE(slot.Refresh(host_.profiles()).has_value()) << "said once";
  Put(Bytes("one"));
  EXPECT_THAT(slot.Refresh(host_.profiles()).value_or(""), HasSubstr("model one"));
  ASSERT_NE(slot.scorer(), nullptr);
  EXPECT_TRUE(slot.status().ok());
}

TEST_F(ModelSlotTest, WhatCannotBeAModelIsNotRead) {
  ModelSlot slot(file(), TwoCpus(), TellAll());
  ASSERT_EQ(mkfifo(file().c_str(), 0600), 0);
  EXPECT_THAT(slot.Refresh(host_.profiles()).value_or(""), HasSubstr("is no file"));
  std::filesystem::remove(file());
  std::ofstream(file()).close();
  std::filesystem::resize_file(file(), uintmax_t{1} << 33);  // a hole
  EXPECT_THAT(slot.Refresh(host_.profiles()).value_or(""), HasSubstr("more than any model"));
  EXPECT_EQ(slot.scorer(), nullptr);
  Put(Bytes("one"));
  EXPECT_TRUE(slot.Refresh(host_.profiles()).has_value());
  EXPECT_NE(slot.scorer(), nullptr);
}

TEST_F(ModelSlotTest, TakesUpAnotherModelBetweenTicks) {
  host_.Add(1, {0});
  host_.Add(2, {0});
  Put(Bytes("one"));
  ModelSlot slot(file(), TwoCpus(), TellAll());
  ASSERT_TRUE(slot.Refresh(host_.profiles()).has_value());
  for (int i = 0; i < 5; ++i) {
    host_.Second();
    slot.scorer()->Tick(host_.profiles());
  }
  const double before = slot.scorer()->Score(host_.profiles())[0].probability;
  Put(Bytes("two", 22));
  EXPECT_THAT(slot.Refresh(host_.profiles()).value_or(""), HasSubstr("two, which replaces one"));
  ASSERT_THAT(slot.scorer()->Score(host_.profiles()), SizeIs(2)) << "it scores at once";
  EXPECT_NE(slot.scorer()->Score(host_.profiles())[0].probability, before);
}

TEST_F(ModelSlotTest, KeepsTheModelThatItHasWhenItsSuccessorIsBad) {
  Put(Bytes("one"));
  ModelSlot slot(file(), TwoCpus(), TellAll());
  ASSERT_TRUE(slot.Refresh(host_.profiles()).has_value());
  std::string broken = Bytes("two");
  broken[200] = static_cast<char>(broken[200] + 1);
  Put(broken);
  EXPECT_THAT(slot.Refresh(host_.profiles()).value_or(""), HasSubstr("checksum does not match"));
  ASSERT_NE(slot.scorer(), nullptr);
  EXPECT_EQ(slot.scorer()->version(), "one");
  EXPECT_FALSE(slot.status().ok());
  std::filesystem::remove(file());
  EXPECT_TRUE(slot.Refresh(host_.profiles()).has_value());
  EXPECT_EQ(slot.scorer()->version(), "one");
}

}  // namespace
}  // namespace truce::agent
