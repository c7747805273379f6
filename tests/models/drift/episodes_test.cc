// The index of episodes: who is nearest, what that predicts, what is damped, what is dropped.
#include "models/drift/episodes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace truce {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

v1::DriftEpisode MakeEpisode(const std::string& id, const std::string& application, double shift, double factor) {
  v1::DriftEpisode episode;
  episode.set_episode_id(id);
  episode.set_application(application);
  auto* one = episode.add_shifts();
  one->set_trait("page_faults_per_cpu_second");
  one->set_shift(shift);
  auto* demand = episode.add_demands();
  demand->set_demand("cpu_cores");
  demand->set_usual(1);
  auto* outcome = demand->add_outcomes();
  outcome->mutable_after()->set_seconds(300);
  outcome->set_change_factor(factor);
  return episode;
}

DriftMove Move(double shift) {
  return MoveOf(MakeEpisode("", "", shift, 1));
}

std::vector<std::string> Ids(const std::vector<Episodes::Near>& near) {
  std::vector<std::string> ids;
  for (const auto& one : near) ids.push_back(one.episode->episode_id());
  return ids;
}

TEST(EpisodesTest, TheSameApplicationComesFirstThenTheNearest) {
  Episodes episodes;
  episodes.Put(MakeEpisode("other-near", "b", 1.0, 2));
  episodes.Put(MakeEpisode("other-far", "b", 1.9, 2));
  episodes.Put(MakeEpisode("same", "a", 1.5, 2));
  episodes.Put(MakeEpisode("beyond", "a", 9, 2));
  EXPECT_THAT(Ids(episodes.Nearest("a", Move(1))), ElementsAre("same", "other-near", "other-far"));
  EXPECT_THAT(Ids(episodes.Nearest("b", Move(1), "other-near")), ElementsAre("other-far", "same"));
  EXPECT_THAT(episodes.Nearest("a", DriftMove()), IsEmpty());
}

TEST(EpisodesTest, TheNearestSayWhatComesNext) {
  Episodes episodes;
  episodes.Put(MakeEpisode("seen", "a", 1, 3));
  episodes.Put(MakeEpisode("other", "a", 2, 0.5));
  const auto predictions = Episodes::Predict(episodes.Nearest("a", Move(1.01)));
  ASSERT_EQ(predictions.size(), 1u);
  EXPECT_EQ(predictions[0].demand, static_cast<size_t>(Demand::kCpu));
  EXPECT_EQ(predictions[0].after_seconds, 300);
  EXPECT_NEAR(predictions[0].increase, 2, 0.25 * 3) << "that of the one that was seen before";
  EXPECT_THAT(Episodes::Predict({}), IsEmpty());
}

TEST(EpisodesTest, AnIncreaseIsDampedByLoadAndADecreaseIsNot) {
  EXPECT_DOUBLE_EQ(DampedIncrease(0.8, 0.25), 0.6);
  EXPECT_DOUBLE_EQ(DampedIncrease(0.8, 1.7), 0);
  EXPECT_DOUBLE_EQ(DampedIncrease(0.8, std::nan("")), 0);
  EXPECT_DOUBLE_EQ(DampedIncrease(-0.4, 0.9), -0.4);
}

TEST(EpisodesTest, IsBoundedAndTheOldestGoes) {
  Episodes episodes;
  for (size_t i = 0; i < Episodes::kMost + 2; ++i) episodes.Put(MakeEpisode(std::to_string(i), "a", 1, 2));
  EXPECT_EQ(episodes.size(), Episodes::kMost);
  EXPECT_EQ(episodes.Find("1"), nullptr);
  EXPECT_NE(episodes.Find("2"), nullptr);
  episodes.Put(MakeEpisode("2", "a", 1, 7));
  EXPECT_EQ(episodes.size(), Episodes::kMost) << "the same one again takes its own place";
  EXPECT_EQ(episodes.Find("2")->demands(0).outcomes(0).change_factor(), 7);
}

TEST(EpisodesTest, WhatMakesNoSenseIsDropped) {
  Episodes episodes;
  episodes.Put(MakeEpisode("", "a", 1, 2));
  episodes.Put(MakeEpisode("nan", "a", std::nan(""), 2));
  episodes.Put(MakeEpisode("less", "a", 1, -2));
  EXPECT_EQ(episodes.size(), 0u);
}

}  // namespace
}  // namespace truce
