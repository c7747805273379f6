#include "src/host/qmp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

#include "absl/time/clock.h"
#include "src/base/text.h"
#include "tests/fixtures/fake_qemu.h"
#include "tests/fixtures/real_qemu.h"
#include "tests/fixtures/tree.h"

namespace truce::host {
namespace {

using google::protobuf::Struct;
using test::FakeQemu;
using test::QmpError;
using testing::ElementsAre;
using testing::HasSubstr;

// Long enough for a loaded machine where an answer comes, and short where none does.
constexpr absl::Duration kLong = absl::Seconds(20);
constexpr absl::Duration kShort = absl::Milliseconds(50);

class Qmp : public testing::Test {
 protected:
  test::Tree directory_;
  FakeQemu qemu_{directory_.Path("monitor")};

  std::unique_ptr<QmpClient> Connect(absl::Duration patience = kLong) {
    auto client = QmpClient::Connect(qemu_.path(), patience);
    EXPECT_TRUE(client.ok()) << client.status();
    return client.ok() ? *std::move(client) : nullptr;
  }
};

TEST_F(Qmp, AsksWithArgumentsAndTakesTheValue) {
  qemu_.On("balloon", [](const Struct& arguments) {
    const auto bytes = static_cast<uint64_t>(arguments.fields().at("value").number_value());
    return StrCat(R"("return": {"got": )", bytes, R"(, "word": "yes"})");
  });
  const auto client = Connect();
  ASSERT_NE(client, nullptr);
  Struct arguments;
  (*arguments.mutable_fields())["value"].set_number_value(1073741824);
  const auto value = client->Execute("balloon", arguments);
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(*NumberIn(*value, "got"), 1073741824.0);
  EXPECT_EQ(TextIn(*value, "word"), "yes");
  EXPECT_EQ(TextIn(*value, "nothing"), "");
  EXPECT_EQ(NumberIn(*value, "word").status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(qemu_.commands(), ElementsAre("balloon"));
}

// QEMU reads "value" of balloon as an integer and takes no exponent for one.
TEST_F(Qmp, WritesWholeNumbersWithoutExponent) {
  qemu_.On("balloon", R"("return": {})");
  const auto client = Connect();
  ASSERT_NE(client, nullptr);
  Struct arguments;
  (*arguments.mutable_fields())["value"].set_number_value(static_cast<double>(uint64_t{768} << 30));
  ASSERT_TRUE(client->Execute("balloon", arguments).ok());
  EXPECT_THAT(qemu_.last_line(), HasSubstr(R"({"value":824633720832})"));
}

TEST_F(Qmp, EventsAndAnswersToOthersArePassedOver) {
  qemu_.SayBeforeAnswers(
      "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"STOP\", \"data\": {\"return\": 1}}\r\n"
      "{\"return\": {\"actual\": 1}, \"id\": \"somebody-else\"}\r\n"
      "{\"error\": {\"class\": \"GenericError\", \"desc\": \"late\"}, \"id\": \"truce-0\"}\r\n");
  qemu_.On("query-balloon", R"("return": {"actual": 42})");
  const auto client = Connect();
  ASSERT_NE(client, nullptr);
  const auto value = client->Execute("query-balloon");
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(*NumberIn(*value, "actual"), 42.0);
}

TEST_F(Qmp, ErrorsAreCodesWithQemusWords) {
  qemu_.On("device_del", QmpError("DeviceNotFound", "Device 'x' not found"));
  qemu_.On("query-balloon", QmpError("DeviceNotActive", "No balloon device has been activated"));
  qemu_.On("migrate", QmpError("GenericError", "There's a migration process in progress"));
  const auto client = Connect();
  ASSERT_NE(client, nullptr);
  EXPECT_TRUE(absl::IsNotFound(client->Execute("no-such-command").status()));
  EXPECT_TRUE(absl::IsNotFound(client->Execute("device_del").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(client->Execute("migrate").status()));
  const auto refused = client->Execute("query-balloon").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_EQ(StdView(refused.message()), "QEMU refuses query-balloon: No balloon device has been activated");
  // A refusal is no reason to give the connection up.
  qemu_.On("cont", R"("return": {})");
  EXPECT_TRUE(client->Execute("cont").ok());
}

TEST_F(Qmp, BigAnswersOnManyLinesAndOddStrings) {
  const std::string text(700'000, 'x');
  qemu_.On("query-qmp-schema", StrCat(R"("return": {"text": ")", text, R"("})"));
  qemu_.On("query-pretty", "\n    \"return\": {\n        \"a\": \"}\\\"{\",\n        \"b\": [1, {\"c\": 2}]\n    }\n");
  qemu_.On("guest-stats", R"("return": {"unset": 18446744073709551615, "least": -9223372036854775808, "one": 1})");
  const auto client = Connect();
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(TextIn(*client->Execute("query-qmp-schema"), "text"), text);
  EXPECT_EQ(TextIn(*client->Execute("query-pretty"), "a"), "}\"{");
  const auto stats = client->Execute("guest-stats");
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_GT(*NumberIn(*stats, "unset"), 1e19);
  EXPECT_EQ(*NumberIn(*stats, "one"), 1.0);
}

TEST_F(Qmp, AMessageWithoutEndIsGivenUp) {
  qemu_.SayBeforeAnswers("{\"event\": \"" + std::string(2 << 20, 'x'));
  const auto client = Connect();
  ASSERT_NE(client, nullptr);
  const auto status = client->Execute("query-balloon").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
  EXPECT_THAT(std::string(StdView(status.message())), HasSubstr("longer than 1048576 bytes"));
  EXPECT_TRUE(absl::IsUnavailable(client->Execute("query-balloon").status())) << "it is of no more use";
}

TEST_F(Qmp, NoAnswerInTimeEndsTheConnection) {
  qemu_.On("query-balloon", "");
  const auto client = Connect(absl::Milliseconds(300));
  ASSERT_NE(client, nullptr);
  const auto status = client->Execute("query-balloon").status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(StdView(status.message())), HasSubstr("query-balloon: no answer in time"));
  EXPECT_THAT(std::string(StdView(client->Execute("query-balloon").status().message())), HasSubstr("connect anew"));
}

TEST_F(Qmp, AConnectionThatBreaksIsUnavailable) {
  qemu_.On("quit", [this](const Struct&) {
    qemu_.HangUp();
    return "";
  });
  const auto client = Connect();
  ASSERT_NE(client, nullptr);
  EXPECT_TRUE(absl::IsUnavailable(client->Execute("quit").status()));
}

TEST_F(Qmp, OneClientAtATime) {
  const auto first = Connect();
  ASSERT_NE(first, nullptr);
  const auto second = QmpClient::Connect(qemu_.path(), kShort).status();
  EXPECT_TRUE(absl::IsUnavailable(second)) << second;
  EXPECT_THAT(std::string(StdView(second.message())), HasSubstr("another program may hold"));
}

// Anybody may write anybody's socket on a command line.
TEST_F(Qmp, WhoMustListen) {
  EXPECT_TRUE(QmpClient::Connect(qemu_.path(), kLong, getpid()).ok());
  const auto other = QmpClient::Connect(qemu_.path(), kLong, getppid()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(other)) << other;
  EXPECT_THAT(std::string(StdView(other.message())), HasSubstr(StrCat("process ", getpid(), " listens there")));
}

TEST_F(Qmp, WhoNeverStopsTalkingRunsOutOfTime) {
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = directory_.Path("talker");
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  std::thread talker([listener] {
    const int client = accept(listener, nullptr, nullptr);
    std::string events;
    for (int i = 0; i < 1000; ++i) events += "{\"event\": \"x\"}\n";
    const std::string greeting = "{\"QMP\": {}}\n";
    send(client, greeting.data(), greeting.size(), MSG_NOSIGNAL);
    while (send(client, events.data(), events.size(), MSG_NOSIGNAL) > 0) {
    }
    close(client);
  });
  EXPECT_TRUE(absl::IsUnavailable(QmpClient::Connect(path, absl::Milliseconds(300)).status()));
  talker.join();
  close(listener);
}

TEST_F(Qmp, WhatIsNoQemu) {
  EXPECT_TRUE(absl::IsNotFound(QmpClient::Connect(directory_.Path("nothing"), kShort).status()));
  directory_.Put("file", "x");
  EXPECT_TRUE(absl::IsNotFound(QmpClient::Connect(directory_.Path("file"), kShort).status()));
  for (const char* greeting : {"SSH-2.0-OpenSSH_9.2\r\n", "{\"hello\": 1}\r\n", "{]\r\n", "}\r\n"}) {
    qemu_.Greet(greeting);
    const auto status = QmpClient::Connect(qemu_.path(), kLong).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << greeting << ": " << status;
  }
  qemu_.Greet("");
  EXPECT_TRUE(absl::IsUnavailable(QmpClient::Connect(qemu_.path(), kShort).status()));
}

// An address has room for 107 bytes; a pod's directory is longer.
TEST_F(Qmp, LongPaths) {
  const std::string deep = std::string(100, 'd') + "/" + std::string(100, 'e');
  directory_.MakeDirectory(deep);
  directory_.Link(deep + "/monitor", qemu_.path());
  qemu_.On("stop", R"("return": {})");
  const auto client = QmpClient::Connect(directory_.Path(deep + "/monitor"), kLong);
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_TRUE((*client)->Execute("stop").ok());
}

TEST(RealQmp, QemuIsUnderstood) {
  if (const auto missing = test::RealQemu::Missing()) GTEST_SKIP() << *missing;
  test::RealQemu qemu({"-S", "-machine", "none"});
  ASSERT_TRUE(qemu.up()) << qemu.why();
  auto client = QmpClient::Connect(qemu.monitor(), kLong);
  ASSERT_TRUE(client.ok()) << client.status();
  const auto status = (*client)->Execute("query-status");
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(TextIn(*status, "status"), "prelaunch");
  EXPECT_TRUE((*client)->Execute("query-qmp-schema").ok()) << "the biggest answer that there is";
  EXPECT_TRUE(absl::IsNotFound((*client)->Execute("no-such-command").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition((*client)->Execute("query-balloon").status()));
  const auto second = QmpClient::Connect(qemu.monitor(), kShort).status();
  EXPECT_TRUE(absl::IsUnavailable(second)) << second;
  client->reset();
  EXPECT_TRUE(QmpClient::Connect(qemu.monitor(), kLong).ok()) << "free again";
  qemu.Kill();
  EXPECT_TRUE(absl::IsNotFound(QmpClient::Connect(qemu.monitor(), kLong).status()));
}

}  // namespace
}  // namespace truce::host
