// Each application gets its share of the sample, and who is in stays in.
#include "controller/learn/fair_sample.h"

#include <gtest/gtest.h>

#include <set>

#include "src/base/text.h"

namespace truce::controller {
namespace {

// Offers `count` workloads of an application once each; who is in afterwards is in `in`.
void Offer(const std::string& application, int count, FairSample* sample, std::set<uint64_t>* in) {
  for (int i = 0; i < count; ++i) {
    const uint64_t rank = FairSample::Rank("h1", StrCat(application, i));
    if (in->contains(rank)) continue;
    const auto answer = sample->Offer(rank, application);
    if (answer.out) in->erase(*answer.out);
    if (answer.in) in->insert(rank);
  }
}

TEST(FairSampleTest, EachApplicationGetsItsShareWhoeverCameFirst) {
  FairSample sample(90);
  std::set<uint64_t> in;
  Offer("giant", 10'000, &sample, &in);
  EXPECT_EQ(sample.SizeOf("giant"), 90u) << "alone it has all places";
  Offer("large", 1'000, &sample, &in);
  Offer("small", 10, &sample, &in);
  EXPECT_EQ(sample.SizeOf("small"), 10u) << "it needs less than its share";
  EXPECT_NEAR(static_cast<double>(sample.SizeOf("giant")), 40, 1);
  EXPECT_NEAR(static_cast<double>(sample.SizeOf("large")), 40, 1);
  EXPECT_EQ(sample.size(), 90u);
  EXPECT_EQ(in.size(), 90u);
}

TEST(FairSampleTest, WhoIsInIsDecidedByTheHashAndNotByTheOrder) {
  std::set<uint64_t> forward, backward;
  FairSample one(50), other(50);
  for (int i = 0; i < 1'000; ++i) {
    const auto offer = [](int number, FairSample* sample, std::set<uint64_t>* in) {
      const uint64_t rank = FairSample::Rank(StrCat("h", number), "web");
      const auto answer = sample->Offer(rank, "web");
      if (answer.out) in->erase(*answer.out);
      if (answer.in) in->insert(rank);
    };
    offer(i, &one, &forward);
    offer(999 - i, &other, &backward);
  }
  EXPECT_EQ(forward, backward);
  const std::set<uint64_t> before = forward;
  // Those that are offered again and again change nothing.
  for (int i = 0; i < 1'000; ++i) {
    const uint64_t rank = FairSample::Rank(StrCat("h", i), "web");
    if (before.contains(rank)) continue;
    EXPECT_FALSE(one.Offer(rank, "web").in);
  }
}

TEST(FairSampleTest, RanksOfNamesThatAreAlikeAreSpreadEvenly) {
  // Of workloads that are numbered, as many of the lower as of the upper half are among the lowest.
  std::set<std::pair<uint64_t, int>> ranks;
  for (int i = 0; i < 4'000; ++i) ranks.insert({FairSample::Rank("host", StrCat("pod-", i)), i});
  int lower = 0, seen = 0;
  for (const auto& [_, number] : ranks) {
    if (++seen > 1'000) break;
    lower += number < 2'000;
  }
  EXPECT_NEAR(lower, 500, 50);
}

TEST(FairSampleTest, MoreApplicationsThanPlacesShareByTheHash) {
  FairSample sample(20);
  std::set<uint64_t> in;
  for (int round = 0; round < 3; ++round) {
    const std::set<uint64_t> before = in;
    for (int i = 0; i < 500; ++i) Offer(StrCat("app", i, "-"), 1, &sample, &in);
    EXPECT_EQ(sample.size(), 20u);
    if (round == 0) continue;
    EXPECT_EQ(in, before) << "who is in stays in";
  }
}

TEST(FairSampleTest, APlaceThatIsLeftIsTakenAgain) {
  FairSample sample(1);
  const uint64_t one = FairSample::Rank("h1", "one");
  EXPECT_TRUE(sample.Offer(one, "a").in);
  sample.Remove(one);
  sample.Remove(one);
  EXPECT_EQ(sample.size(), 0u);
  EXPECT_TRUE(sample.Offer(FairSample::Rank("h1", "other"), "b").in);
  FairSample none(0);
  EXPECT_FALSE(none.Offer(one, "a").in);
}

}  // namespace
}  // namespace truce::controller
