// Readings in memory and on the wire are the same list of names; the agent finds the wire's fields by them.
#include "src/base/reading.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "truce/v1/types.pb.h"

namespace truce {
namespace {

using google::protobuf::FieldDescriptor;

TEST(ReadingTest, NamesAreTheFieldsOfTheWireBothWays) {
  std::set<std::string> readings;
  for (size_t i = 0; i < kReadingCount; ++i) {
    const std::string name(ReadingName(static_cast<Reading>(i)));
    EXPECT_TRUE(readings.insert(name).second) << name << " is there twice";
    const FieldDescriptor* field = v1::Readings::descriptor()->FindFieldByName(name);
    ASSERT_NE(field, nullptr) << name << " is not on the wire";
    EXPECT_EQ(field->cpp_type(), FieldDescriptor::CPPTYPE_DOUBLE) << name;
    EXPECT_TRUE(field->has_presence()) << name << " could not be told missing from zero";
  }
  for (int i = 0; i < v1::Readings::descriptor()->field_count(); ++i) {
    EXPECT_TRUE(readings.contains(v1::Readings::descriptor()->field(i)->name()))
        << v1::Readings::descriptor()->field(i)->name() << " is on the wire only";
  }
}

TEST(SampleTest, AReadingIsThereOrMissingAndZeroIsThere) {
  Sample sample;
  for (size_t i = 0; i < kReadingCount; ++i) {
    const auto reading = static_cast<Reading>(i);
    EXPECT_FALSE(sample.has(reading));
    EXPECT_EQ(sample.get(reading), std::nullopt);
    EXPECT_EQ(sample.value_or(reading, -1), -1);
    sample.set(reading, std::optional<double>());
    EXPECT_FALSE(sample.has(reading)) << "setting nothing sets nothing";
    sample.set(reading, 0.0);
    EXPECT_EQ(sample.get(reading), 0.0);
    sample.set(reading, static_cast<double>(i));
  }
  for (size_t i = 0; i < kReadingCount; ++i) EXPECT_EQ(sample.value(static_cast<Reading>(i)), static_cast<double>(i));
  EXPECT_EQ(sample.validity(), (uint64_t{1} << kReadingCount) - 1);
}

}  // namespace
}  // namespace truce
