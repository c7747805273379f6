// Reads of perf groups: decoding, deltas, multiplexing.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstring>

#include "src/host/counters_group.h"
#include "tests/host/counters/fake_perf.h"

namespace truce::host {
namespace {

std::string Bytes(const std::vector<uint64_t>& words) {
  std::string bytes(words.size() * sizeof(uint64_t), '\0');
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return bytes;
}

GroupCounts Counts(uint64_t enabled, uint64_t running, std::vector<uint64_t> values) {
  GroupCounts counts{enabled, running, values.size(), {}};
  std::copy(values.begin(), values.end(), counts.values.begin());
  return counts;
}

TEST(DecodeGroupReadTest, ReadsWhatTheKernelWrites) {
  const auto counts = DecodeGroupRead(Bytes({2, 400, 200, 11, 71, 22, 72}), {71, 72});
  ASSERT_TRUE(counts.ok()) << counts.status();
  EXPECT_EQ(counts->enabled_ns, 400u);
  EXPECT_EQ(counts->running_ns, 200u);
  EXPECT_EQ(counts->size, 2u);
  EXPECT_EQ(counts->values[0], 11u);
  EXPECT_EQ(counts->values[1], 22u);
}

TEST(DecodeGroupReadTest, RefusesShortReads) {
  const std::string whole = Bytes({2, 400, 200, 11, 71, 22, 72});
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(DecodeGroupRead(std::string_view(whole).substr(0, size), {71, 72}).status().code(),
              absl::StatusCode::kDataLoss)
        << size;
  }
}

TEST(DecodeGroupReadTest, RefusesOtherEvents) {
  EXPECT_EQ(DecodeGroupRead(Bytes({2, 1, 1, 11, 71, 22, 99}), {71, 72}).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DecodeGroupRead(Bytes({1, 1, 1, 11, 71, 22, 72}), {71, 72}).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(DecodeGroupRead("", {}).ok());
  EXPECT_FALSE(DecodeGroupRead(Bytes(std::vector<uint64_t>(64)), std::vector<uint64_t>(kMaxGroupEvents + 1)).ok());
}

TEST(DecodeGroupReadTest, EveryWellFormedReadComesBack) {
  EXPECT_TRUE(rc::check("decode(encode(x)) == x", [](uint64_t enabled, uint64_t running) {
    const size_t size = *rc::gen::inRange<size_t>(1, kMaxGroupEvents + 1);
    const auto values = *rc::gen::container<std::vector<uint64_t>>(size, rc::gen::arbitrary<uint64_t>());
    const auto ids = *rc::gen::container<std::vector<uint64_t>>(size, rc::gen::arbitrary<uint64_t>());
    std::vector<uint64_t> words = {size, enabled, running};
    for (size_t i = 0; i < size; ++i) words.insert(words.end(), {values[i], ids[i]});
    const auto counts = DecodeGroupRead(Bytes(words), ids);
    RC_ASSERT(counts.ok());
    RC_ASSERT(counts->enabled_ns == enabled && counts->running_ns == running && counts->size == size);
    for (size_t i = 0; i < size; ++i) RC_ASSERT(counts->values[i] == values[i]);
  }));
}

TEST(DecodeGroupReadTest, AnyBytesAreRefusedOrRead) {
  EXPECT_TRUE(rc::check("arbitrary bytes do no harm", [](const std::string& bytes) {
    const auto counts = DecodeGroupRead(bytes, {71, 72});
    if (counts.ok()) RC_ASSERT(bytes.size() >= GroupReadBytes(2));
  }));
}

TEST(SubtractCountsTest, GivesWhatHappenedBetween) {
  const auto delta = SubtractCounts(Counts(500, 300, {15, 40}), Counts(100, 100, {5, 40}));
  ASSERT_TRUE(delta.ok());
  EXPECT_EQ(delta->enabled_ns, 400u);
  EXPECT_EQ(delta->running_ns, 200u);
  EXPECT_EQ(delta->values[0], 10u);
  EXPECT_EQ(delta->values[1], 0u);
}

TEST(SubtractCountsTest, RefusesCountsThatGoBack) {
  EXPECT_FALSE(SubtractCounts(Counts(500, 300, {4}), Counts(100, 100, {5})).ok());
  EXPECT_FALSE(SubtractCounts(Counts(99, 300, {5}), Counts(100, 100, {5})).ok());
  EXPECT_FALSE(SubtractCounts(Counts(500, 99, {5}), Counts(100, 100, {5})).ok());
  EXPECT_FALSE(SubtractCounts(Counts(500, 300, {5, 6}), Counts(100, 100, {5})).ok());
}

TEST(ScaledSumTest, TwiceEnabledAsRunningDoubles) {
  ScaledSum sum;
  sum.Add(Counts(400, 200, {1000, 30}));
  EXPECT_EQ(sum.Raw(0), 1000u);
  EXPECT_DOUBLE_EQ(sum.Scaled(0).value(), 2000);
  EXPECT_DOUBLE_EQ(sum.Scaled(1).value(), 60);
  EXPECT_DOUBLE_EQ(sum.ScaleFactor().value(), 2);
}

TEST(ScaledSumTest, NeverRunIsMissingNotZero) {
  ScaledSum sum;
  EXPECT_FALSE(sum.Scaled(0).has_value());
  sum.Add(Counts(400, 0, {0}));
  EXPECT_FALSE(sum.Scaled(0).has_value());
  EXPECT_FALSE(sum.ScaleFactor().has_value());
}

TEST(ScaledSumTest, ZeroThatWasCountedIsZero) {
  ScaledSum sum;
  sum.Add(Counts(400, 400, {0}));
  EXPECT_EQ(sum.Scaled(0), 0.0);
  EXPECT_EQ(sum.ScaleFactor(), 1.0);
}

TEST(ScaledSumTest, EachCpuIsScaledByItsOwnTimes) {
  ScaledSum sum;
  sum.Add(Counts(400, 400, {100}));
  sum.Add(Counts(400, 100, {100}));
  EXPECT_DOUBLE_EQ(sum.Scaled(0).value(), 500);
  EXPECT_DOUBLE_EQ(sum.ScaleFactor().value(), 800.0 / 500.0);
}

TEST(ScaledSumTest, CpuWithoutPmuTimeCountsLikeTheOthers) {
  ScaledSum sum;
  sum.Add(Counts(300, 300, {600}));
  sum.Add(Counts(100, 0, {0}));
  EXPECT_DOUBLE_EQ(sum.Scaled(0).value(), 800);
}

TEST(ScaledSumTest, CpuOnWhichTheWorkloadDidNotRunAddsNothing) {
  ScaledSum sum;
  sum.Add(Counts(300, 300, {600}));
  sum.Add(Counts(0, 0, {0}));
  EXPECT_DOUBLE_EQ(sum.Scaled(0).value(), 600);
  EXPECT_DOUBLE_EQ(sum.ScaleFactor().value(), 1);
}

TEST(ScaledSumTest, ScalingNeverLosesCounts) {
  EXPECT_TRUE(rc::check("scaled >= raw, and multiplexing is undone for a steady rate", [] {
    const uint64_t rate = *rc::gen::inRange<uint64_t>(0, 1000);
    ScaledSum sum;
    uint64_t enabled_sum = 0;
    bool ran = false;
    const int cpus = *rc::gen::inRange(1, 9);
    for (int cpu = 0; cpu < cpus; ++cpu) {
      const uint64_t enabled = *rc::gen::inRange<uint64_t>(0, 1'000'000);
      const uint64_t running = enabled == 0 ? 0 : *rc::gen::inRange<uint64_t>(0, enabled + 1);
      sum.Add(Counts(enabled, running, {rate * running}));
      enabled_sum += enabled;
      ran |= running > 0;
    }
    RC_ASSERT(sum.Scaled(0).has_value() == ran);
    if (!ran) return;
    RC_ASSERT(*sum.Scaled(0) >= static_cast<double>(sum.Raw(0)) * (1 - 1e-12));
    RC_ASSERT(*sum.ScaleFactor() >= 1);
    RC_ASSERT(std::abs(*sum.Scaled(0) - static_cast<double>(rate * enabled_sum)) <=
              1e-6 * static_cast<double>(rate * enabled_sum));
  }));
}

TEST(PerfGroupTest, OpensAllOrNothing) {
  FakePerf perf;
  perf.refuse = [](const PerfEvent& event, const auto&, int) { return event.name == "b" ? EINVAL : 0; };
  const auto group = PerfGroup::Open(&perf, {{"a"}, {"b"}}, {}, 3);
  ASSERT_FALSE(group.ok());
  EXPECT_NE(group.status().message().find("counter b on CPU 3"), std::string::npos) << group.status();
  EXPECT_EQ(perf.open(), 0u);
}

TEST(PerfGroupTest, CountsOnlyWhileEnabledAndClosesWhenItGoes) {
  FakePerf perf;
  {
    auto opened = PerfGroup::Open(&perf, {{"a"}, {"b"}}, {}, 0);
    ASSERT_TRUE(opened.ok());
    PerfGroup group = *std::move(opened);
    const auto count = [](const std::string& name) { return name == "a" ? 5u : 7u; };
    perf.Run(10, 10, count);
    ASSERT_TRUE(group.SetEnabled(true).ok());
    perf.Run(10, 5, count);
    ASSERT_TRUE(group.SetEnabled(false).ok());
    perf.Run(10, 10, count);
    const auto counts = group.Read();
    ASSERT_TRUE(counts.ok()) << counts.status();
    EXPECT_EQ(counts->values[0], 5u);
    EXPECT_EQ(counts->values[1], 7u);
    EXPECT_EQ(counts->enabled_ns, 10u);
    EXPECT_EQ(counts->running_ns, 5u);
  }
  EXPECT_EQ(perf.open(), 0u);
}

}  // namespace
}  // namespace truce::host
