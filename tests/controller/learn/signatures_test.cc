// What the controller learns of applications: whose mean it is, how it moves, who is like whom, what is forgotten.
#include "controller/learn/signatures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "controller/fleet/moment.h"
#include "src/base/text.h"
#include "tests/controller/host_builder.h"

namespace truce::controller {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

absl::Time At(int seconds) {
  return absl::FromUnixSeconds(1'700'000'000 + seconds);
}

std::vector<std::string> NamesOf(const std::vector<v1::Resemblance>& resemblances) {
  std::vector<std::string> names;
  for (const auto& one : resemblances) names.push_back(one.name());
  return names;
}

std::vector<std::string> NamesOf(const std::vector<v1::ApplicationSignature>& learned) {
  std::vector<std::string> names;
  for (const auto& one : learned) names.push_back(one.application());
  return names;
}

std::vector<std::string> ModelsOf(const std::vector<v1::ApplicationSignature>& learned) {
  std::vector<std::string> models;
  for (const auto& one : learned) {
    models.push_back(StrCat(one.signature().model_version(), " after ", one.sample_count()));
  }
  return models;
}

TEST(SignaturesTest, FewSignaturesCountAlike) {
  Signatures signatures;
  EXPECT_EQ(signatures.Find("cache"), nullptr);
  signatures.Learn("web-1", "cache", MakeSignature("m1", {0, 4}, 0.2), At(0));
  signatures.Learn("web-1", "cache", MakeSignature("m1", {2, 2}, 0.4), At(60));
  signatures.Learn("web-1", "cache", MakeSignature("m1", {4, 0}, 0.9), At(120));
  const v1::ApplicationSignature* learned = signatures.Find("cache");
  ASSERT_NE(learned, nullptr);
  EXPECT_EQ(learned->application(), "cache");
  EXPECT_EQ(learned->sample_count(), 3u);
  EXPECT_EQ(ToTime(learned->first_learned_at()), At(0));
  EXPECT_EQ(ToTime(learned->last_learned_at()), At(120));
  const v1::Signature& mean = learned->signature();
  EXPECT_EQ(mean.model_version(), "m1");
  EXPECT_DOUBLE_EQ(mean.familiarity(), 0.5);
  EXPECT_THAT(mean.embedding(), ElementsAre(testing::FloatEq(2), testing::FloatEq(2)));
  EXPECT_DOUBLE_EQ(mean.resources(0).hurts_ratio(), 0.5);
  EXPECT_DOUBLE_EQ(mean.resources(0).suffers_ratio(), 0.5);
  EXPECT_DOUBLE_EQ(mean.kinds(0).hurts_on_same_cpus_ratio(), 0.5);
  EXPECT_DOUBLE_EQ(mean.kinds(0).hurts_on_own_cpus_ratio(), 0.5);
  EXPECT_DOUBLE_EQ(mean.kinds(0).suffers_on_same_cpus_ratio(), 0.5);
  EXPECT_DOUBLE_EQ(mean.kinds(0).suffers_on_own_cpus_ratio(), 0.5);
}

TEST(SignaturesTest, AfterManyTheNewestStillWeighsTwoPerCent) {
  Signatures signatures;
  for (int i = 0; i < 200; ++i) signatures.Learn("web-1", "cache", MakeSignature("m1", {0}, 0), At(i));
  signatures.Learn("web-1", "cache", MakeSignature("m1", {1}, 1), At(200));
  const v1::Signature& mean = signatures.Find("cache")->signature();
  EXPECT_NEAR(mean.kinds(0).hurts_on_same_cpus_ratio(), 0.02, 1e-12);
  EXPECT_NEAR(mean.embedding(0), 0.02, 1e-6);
}

TEST(SignaturesTest, OneOfManyCantOutweighTheOthers) {
  Signatures signatures;
  v1::Signature usual = MakeSignature("m1", {0}, 0.1);
  for (v1::ResourceEffect& effect : *usual.mutable_resources()) effect.set_usual_ratio(0.05);
  for (int i = 0; i < 60; ++i) signatures.Learn("web-1", "cache", usual, At(i));
  v1::Signature wild = MakeSignature("m1", {0}, 100);
  wild.mutable_resources(0)->set_usual_ratio(1e-4);
  signatures.Learn("web-1", "cache", wild, At(60));
  const v1::ResourceEffect& mean = signatures.Find("cache")->signature().resources(0);
  EXPECT_NEAR(mean.hurts_ratio(), 0.1 + 0.02 * (1.01 - 0.1), 1e-9);
  EXPECT_NEAR(mean.usual_ratio(), 0.05 + 0.02 * (0.005 - 0.05), 1e-9);
  usual.mutable_resources(0)->clear_usual_ratio();
  const double before = mean.usual_ratio();
  signatures.Learn("web-1", "cache", usual, At(61));
  EXPECT_DOUBLE_EQ(signatures.Find("cache")->signature().resources(0).usual_ratio(), before);
}

TEST(SignaturesTest, EffectsAreMatchedByNameAndTheNewestSaysWhichThereAre) {
  v1::Signature first = MakeSignature("m1", {0}, 0.2);
  first.add_kinds()->set_kind("compression");
  first.mutable_kinds(1)->set_hurts_on_same_cpus_ratio(0.8);
  first.add_kinds()->set_kind("gone");
  first.add_resembles()->set_name("redis-server");
  v1::Signature second = MakeSignature("m1", {0}, 0.4);
  second.add_kinds()->set_kind("compression");
  second.mutable_kinds(1)->set_hurts_on_same_cpus_ratio(0.6);
  second.mutable_kinds()->SwapElements(0, 1);
  second.add_kinds()->set_kind("new");
  second.mutable_kinds(2)->set_hurts_on_same_cpus_ratio(0.3);
  second.add_resources()->set_resource(v1::RESOURCE_CPU);
  second.mutable_resources(1)->set_hurts_ratio(0.1);
  second.add_resembles()->set_name("memcached");
  Signatures signatures;
  signatures.Learn("web-1", "cache", first, At(0));
  signatures.Learn("web-1", "cache", second, At(60));
  const v1::Signature& mean = signatures.Find("cache")->signature();
  ASSERT_THAT(mean.kinds(), SizeIs(3));
  EXPECT_EQ(mean.kinds(0).kind(), "compression");
  EXPECT_DOUBLE_EQ(mean.kinds(0).hurts_on_same_cpus_ratio(), 0.7);
  EXPECT_EQ(mean.kinds(1).kind(), "server");
  EXPECT_DOUBLE_EQ(mean.kinds(1).hurts_on_same_cpus_ratio(), 0.3);
  EXPECT_EQ(mean.kinds(2).kind(), "new");
  EXPECT_DOUBLE_EQ(mean.kinds(2).hurts_on_same_cpus_ratio(), 0.3) << "nothing to be blended with";
  EXPECT_DOUBLE_EQ(mean.resources(0).hurts_ratio(), 0.3);
  EXPECT_DOUBLE_EQ(mean.resources(1).hurts_ratio(), 0.1);
  ASSERT_THAT(mean.resembles(), SizeIs(1));
  EXPECT_EQ(mean.resembles(0).name(), "memcached");
}

TEST(SignaturesTest, EachModelHasItsOwnMeanAndTheOneThatCameLastSpeaks) {
  Signatures signatures;
  const auto learn = [&](const std::string& model, int second) {
    signatures.Learn("web-1", "cache", MakeSignature(model, {0}), At(second));
    const v1::ApplicationSignature* found = signatures.Find("cache");
    EXPECT_THAT(signatures.All(), ElementsAre(found));
    return StrCat(found->signature().model_version(), " after ", found->sample_count());
  };
  EXPECT_EQ(learn("m1", 0), "m1 after 1");
  EXPECT_EQ(learn("m1", 1), "m1 after 2");
  EXPECT_EQ(learn("m2", 2), "m2 after 1");
  EXPECT_EQ(learn("m1", 3), "m2 after 1") << "another host has the old model still";
  EXPECT_EQ(learn("m2", 4), "m2 after 2");
  EXPECT_EQ(learn("m1", 5), "m2 after 2");
  EXPECT_THAT(ModelsOf(signatures.TakeDirty(10)), ElementsAre("m2 after 2", "m1 after 4"));
  EXPECT_EQ(signatures.size(), 1u);
  constexpr int kDay = 24 * 60 * 60;
  EXPECT_EQ(learn("m1", 3 + kDay), "m2 after 2");
  EXPECT_EQ(learn("m1", 4 + kDay), "m1 after 6") << "m2 has not been heard of for a day: it was rolled back";
}

TEST(SignaturesTest, AModelThatOneOfManyHostsSignsByDoesNotSpeakForAll) {
  Signatures signatures;
  int second = 0;
  const auto learn = [&](const std::string& host, const std::string& model) {
    signatures.Learn(host, "cache", MakeSignature(model, {0}), At(second++));
    return signatures.Find("cache")->signature().model_version();
  };
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(learn(StrCat("web-", i), "m1"), "m1");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(learn("web-6", "made-up"), "m1");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(learn("web-6", StrCat("made-up-", i)), "m1");
  EXPECT_EQ(learn("web-1", "m2"), "m1");
  EXPECT_EQ(learn("web-2", "m2"), "m1");
  // What was stored knows how many there were.
  Signatures restored;
  for (auto& one : signatures.TakeDirty(10)) restored.Restore(std::move(one));
  restored.Learn("web-6", "cache", MakeSignature("made-up", {0}), At(second));
  EXPECT_EQ(restored.Find("cache")->signature().model_version(), "m1");
  EXPECT_EQ(learn("web-3", "m2"), "m2");
  EXPECT_EQ(learn("web-4", "m1"), "m2");
  EXPECT_EQ(learn("web-6", "made-up"), "m2");
  EXPECT_EQ(signatures.Find("cache")->host_count(), 3u);
}

TEST(SignaturesTest, OfModelsThatCameAtOnceTheLastLearnedSpeaks) {
  Signatures signatures;
  signatures.Learn("web-1", "cache", MakeSignature("m1", {0}), At(0));
  signatures.Learn("web-1", "cache", MakeSignature("m2", {0}), At(0));
  signatures.Learn("web-1", "cache", MakeSignature("m1", {0}), At(5));
  EXPECT_EQ(signatures.Find("cache")->signature().model_version(), "m1");
  signatures.Learn("web-1", "cache", MakeSignature("m2", {0}), At(6));
  EXPECT_EQ(signatures.Find("cache")->signature().model_version(), "m2");
}

TEST(SignaturesTest, AFleetOfEightKindsOfMachinesHasAModelOnEachAndTheLastHeardOfAreKept) {
  Signatures signatures;
  for (int i = 1; i <= 8; ++i) signatures.Learn("web-1", "cache", MakeSignature(StrCat("m", i), {0}), At(i));
  signatures.Learn("web-1", "cache", MakeSignature("m1", {0}), At(9));
  EXPECT_THAT(signatures.TakeDirty(100), SizeIs(8));
  signatures.Learn("web-1", "cache", MakeSignature("m9", {0}), At(10));
  signatures.Learn("web-1", "cache", MakeSignature("m1", {0}), At(11));
  signatures.Learn("web-1", "cache", MakeSignature("m2", {0}), At(12));
  EXPECT_THAT(ModelsOf(signatures.TakeDirty(100)), ElementsAre("m9 after 1", "m1 after 3", "m2 after 1"))
      << "m2 went when m9 came";
}

TEST(SignaturesTest, ACopySharesTheMeansAndKeepsThemAsTheyWere) {
  Signatures signatures;
  signatures.Learn("web-1", "cache", MakeSignature("m1", {0}, 0.2), At(0));
  const Signatures copy = signatures;
  EXPECT_EQ(copy.Find("cache"), signatures.Find("cache")) << "no mean is copied";
  signatures.Learn("web-1", "cache", MakeSignature("m1", {0}, 0.4), At(60));
  EXPECT_EQ(signatures.Find("cache")->sample_count(), 2u);
  EXPECT_EQ(copy.Find("cache")->sample_count(), 1u);
  EXPECT_DOUBLE_EQ(copy.Find("cache")->signature().kinds(0).hurts_on_same_cpus_ratio(), 0.2);
}

TEST(SignaturesTest, ResemblesOthersOfTheSameModelMostAlikeFirst) {
  Signatures signatures;
  signatures.Learn("web-1", "cache", MakeSignature("old", {9, 9}), At(0));
  signatures.Learn("web-1", "far", MakeSignature("m1", {2, 0}), At(1));
  signatures.Learn("web-1", "near", MakeSignature("m1", {1, 1}), At(2));
  signatures.Learn("web-1", "twin", MakeSignature("m1", {0, 0}), At(3));
  signatures.Learn("web-1", "twin", MakeSignature("old", {5, 5}), At(4));
  signatures.Learn("web-1", "stranger", MakeSignature("old", {0, 0}), At(5));
  signatures.Learn("web-1", "cache", MakeSignature("m1", {0, 0}), At(6));
  const std::vector<v1::Resemblance> alike = signatures.Resembling("cache", 5);
  EXPECT_THAT(NamesOf(alike), ElementsAre("twin", "near", "far"));
  EXPECT_DOUBLE_EQ(alike[0].similarity(), 1);
  EXPECT_DOUBLE_EQ(alike[1].similarity(), std::exp(-0.5));
  EXPECT_DOUBLE_EQ(alike[2].similarity(), std::exp(-1)) << "as far apart as two that are picked blindly: sqrt(2 * 2)";
  EXPECT_THAT(NamesOf(signatures.Resembling("cache", 2)), ElementsAre("twin", "near"));
  EXPECT_THAT(NamesOf(signatures.Resembling("nobody", 5)), IsEmpty());
  std::vector<std::string> all;
  for (const auto* learned : signatures.All()) {
    all.push_back(StrCat(learned->application(), " ", learned->signature().model_version()));
  }
  EXPECT_THAT(all, ElementsAre("cache m1", "far m1", "near m1", "stranger old", "twin old"));
}

TEST(SignaturesTest, EmbeddingsOfDifferentSizesAreNotAlikeAndNotMixed) {
  Signatures signatures;
  signatures.Learn("web-1", "cache", MakeSignature("m1", {4, 4}), At(0));
  signatures.Learn("web-1", "other", MakeSignature("m1", {4}), At(1));
  EXPECT_EQ(signatures.Resembling("cache", 5).front().similarity(), 0);
  signatures.Learn("web-1", "cache", MakeSignature("m1", {2}), At(2));
  EXPECT_THAT(signatures.Find("cache")->signature().embedding(), ElementsAre(2));
}

TEST(SignaturesTest, BeyondTenThousandTheLongestUnlearnedIsForgotten) {
  Signatures signatures;
  const v1::Signature signature = MakeSignature("m1", {0});
  for (size_t i = 0; i < Signatures::kMost; ++i) signatures.Learn("web-1", StrCat("app", i), signature, At(0));
  signatures.Learn("web-1", "app0", signature, At(1));
  signatures.Learn("web-1", "one more", signature, At(2));
  EXPECT_EQ(signatures.size(), Signatures::kMost);
  EXPECT_NE(signatures.Find("app0"), nullptr);
  EXPECT_EQ(signatures.Find("app1"), nullptr);
  EXPECT_NE(signatures.Find("app2"), nullptr);
  EXPECT_NE(signatures.Find("one more"), nullptr);
  signatures.Learn("web-1", "app2", MakeSignature("m2", {0}), At(3));
  EXPECT_EQ(signatures.Find("app2")->sample_count(), 1u) << "its own older mean made room";
  EXPECT_EQ(signatures.size(), Signatures::kMost);
}

TEST(SignaturesTest, WhatChangedIsTakenOnceAndWhatWasStoredIsNot) {
  Signatures signatures;
  v1::ApplicationSignature stored;
  stored.set_application("cache");
  *stored.mutable_signature() = MakeSignature("m1", {0}, 0.1);
  stored.set_sample_count(9);
  SetTime(At(0), stored.mutable_first_learned_at());
  signatures.Restore(stored);
  signatures.Restore({});
  EXPECT_EQ(signatures.size(), 1u) << "what can't be read is left out";
  EXPECT_THAT(signatures.TakeDirty(100), IsEmpty());
  signatures.Learn("web-1", "batch", MakeSignature("m1", {1}), At(60));
  signatures.Learn("web-1", "cache", MakeSignature("m1", {0}, 1.1), At(120));
  const std::vector<v1::ApplicationSignature> dirty = signatures.TakeDirty(100);
  EXPECT_THAT(NamesOf(dirty), ElementsAre("batch", "cache"));
  EXPECT_EQ(dirty[1].sample_count(), 10u);
  EXPECT_DOUBLE_EQ(dirty[1].signature().kinds(0).hurts_on_same_cpus_ratio(), 0.2) << "one part in ten";
  EXPECT_EQ(ToTime(dirty[1].first_learned_at()), At(0));
  EXPECT_THAT(signatures.TakeDirty(100), IsEmpty());
  EXPECT_EQ(signatures.Find("cache")->sample_count(), 10u) << "taking leaves it there";
  signatures.Learn("web-1", "batch", MakeSignature("m1", {1}), At(180));
  EXPECT_THAT(NamesOf(signatures.TakeDirty(100)), ElementsAre("batch"));
}

TEST(SignaturesTest, WhatIsNotTakenYetComesNextTheLongestUnlearnedFirst) {
  Signatures signatures;
  int second = 0;
  for (const char* name : {"a", "b", "c", "d", "a"})
    signatures.Learn("web-1", name, MakeSignature("m1", {0}), At(second++));
  EXPECT_THAT(NamesOf(signatures.TakeDirty(2)), ElementsAre("b", "c"));
  signatures.Learn("web-1", "d", MakeSignature("m1", {0}), At(second));
  EXPECT_THAT(NamesOf(signatures.TakeDirty(1)), ElementsAre("a"));
  EXPECT_THAT(NamesOf(signatures.TakeDirty(2)), ElementsAre("d"));
  EXPECT_THAT(signatures.TakeDirty(2), IsEmpty());
}

}  // namespace
}  // namespace truce::controller
