// Every key is in the shipped example at its default, and broken keys are refused with file and line.
#include "controller/settings.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

namespace truce::controller {
namespace {

using testing::HasSubstr;

const std::string kExample = std::string(TRUCE_SOURCE_DIR) + "/deploy/truce-controller.yaml";

TEST(SettingsTest, TheExampleHasEveryKeyAtItsDefault) {
  auto source = LoadConfigSource(kExample, "TRUCE_TEST_NOTHING_", {});
  ASSERT_TRUE(source.ok()) << source.status();
  Settings read;
  std::set<std::string> known;
  ASSERT_TRUE(ReadSettings(*source, &read, &known).ok());
  const Settings defaults;
  EXPECT_EQ(read.listen, defaults.listen);
  EXPECT_EQ(read.http_listen, defaults.http_listen);
  EXPECT_EQ(read.plaintext, defaults.plaintext);
  EXPECT_EQ(read.ca_file, defaults.ca_file);
  EXPECT_EQ(read.certificate_file, defaults.certificate_file);
  EXPECT_EQ(read.key_file, defaults.key_file);
  EXPECT_EQ(read.store.file, defaults.store.file);
  EXPECT_EQ(read.store.queue_capacity, defaults.store.queue_capacity);
  EXPECT_EQ(read.store.retention_age, defaults.store.retention_age);
  EXPECT_EQ(read.store.retention_rows, defaults.store.retention_rows);
  EXPECT_EQ(read.store.maximum_bytes, defaults.store.maximum_bytes);
  EXPECT_EQ(read.history, defaults.history);
  EXPECT_EQ(read.report_interval, defaults.report_interval);
  EXPECT_EQ(read.missed_report_limit, defaults.missed_report_limit);
  EXPECT_EQ(read.workloads_per_host, defaults.workloads_per_host);
  EXPECT_EQ(read.message_mib, defaults.message_mib);
  EXPECT_EQ(read.log_level, defaults.log_level);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(read.policy, defaults.policy));
  // A key's last word must be in the text: with unknown keys refused, that makes the example complete.
  for (const auto& key : known) {
    EXPECT_THAT(source->text,
                HasSubstr(key.substr(key.rfind('.') == std::string::npos ? 0 : key.rfind('.') + 1) + ":"));
  }
}

TEST(SettingsTest, BrokenKeysAreNamedWithTheirLine) {
  ConfigSource source;
  source.file = "controller.yaml";
  source.text = "listen: 127.0.0.1:0\nstore:\n  fiel: x\npolicy:\n  trigger_score: 10\n";
  Settings settings;
  const absl::Status status = ReadSettings(source, &settings);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("controller.yaml:3"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("store.fiel"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("20 is not below the trigger score 10"));
}

}  // namespace
}  // namespace truce::controller
