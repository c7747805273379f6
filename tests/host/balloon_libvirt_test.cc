// Against libvirt's own test driver, which needs no daemon, and against sockets where no libvirtd is.
#include "src/host/balloon_libvirt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "src/base/text.h"
#include "tests/fixtures/fake_qemu.h"
#include "tests/fixtures/tree.h"

namespace truce::host {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr absl::Duration kLong = absl::Seconds(30);

std::string MessageOf(const absl::Status& status) {
  return std::string(StdView(status.message()));
}

TEST(LibvirtBalloon, LooksAndAsksAndSaysNothingOnStderr) {
  testing::internal::CaptureStderr();
  auto libvirt = std::make_shared<Libvirt>("test:///default", kLong);
  const auto balloon = MakeLibvirtBalloon(libvirt, "test");
  const auto before = balloon->Look();
  const absl::Status asked = balloon->Ask(1024 * kMiB);
  const auto after = balloon->Look();
  const absl::Status too_much = balloon->Ask(uint64_t{1} << 50);
  const auto unknown = MakeLibvirtBalloon(libvirt, "no-such-machine")->Look();
  const auto end = balloon->Look();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_EQ(before->maximum_bytes, 8192 * kMiB);
  EXPECT_TRUE(asked.ok()) << asked;
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->actual_bytes, 1024 * kMiB);
  EXPECT_FALSE(too_much.ok());
  EXPECT_THAT(MessageOf(too_much), HasSubstr("setting its memory at test:///default: "));
  EXPECT_TRUE(absl::IsFailedPrecondition(unknown.status())) << unknown.status();
  EXPECT_THAT(MessageOf(unknown.status()), HasSubstr("set virtual_machines.libvirt_uri to where it is known"));
  EXPECT_TRUE(end.ok()) << "errors of a machine are no errors of the connection: " << end.status();
}

TEST(LibvirtBalloon, WithoutALibvirtOthersAreNotHarmed) {
  Libvirt none("", kLong);
  EXPECT_TRUE(absl::IsFailedPrecondition(none.Look("web").status()));
  EXPECT_THAT(MessageOf(none.Ask("web", kMiB)), HasSubstr("set virtual_machines.libvirt_uri"));
  Libvirt missing("test:///default", kLong, "libvirt.so.nowhere");
  EXPECT_TRUE(absl::IsFailedPrecondition(missing.Look("web").status()));
  EXPECT_THAT(MessageOf(missing.Look("web").status()), HasSubstr("install libvirt0"));
  const test::Tree directory;
  Libvirt away(StrCat("qemu+unix:///system?socket=", directory.Path("sock")), kLong);
  const absl::Status status = away.Look("web").status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << "it may be there later: " << status;
  EXPECT_THAT(MessageOf(status), HasSubstr("connecting to libvirt at qemu+unix:///system?socket="));
}

// A libvirtd that hangs must not take the agent with it.
TEST(LibvirtBalloon, ALibvirtThatHangsCostsItsPatienceOnce) {
  const test::Tree directory;
  test::FakeQemu mute(directory.Path("sock"));
  mute.Greet("");
  {
    Libvirt libvirt(StrCat("qemu+unix:///system?socket=", mute.path()), absl::Milliseconds(500));
    const absl::Time began = absl::Now();
    EXPECT_TRUE(absl::IsUnavailable(libvirt.Look("web").status()));
    EXPECT_GE(absl::Now() - began, absl::Milliseconds(500));
    const absl::Time again = absl::Now();
    const absl::Status status = libvirt.Ask("web", kMiB);
    EXPECT_LT(absl::Now() - again, absl::Milliseconds(250)) << "the first call still hangs";
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_THAT(MessageOf(status), HasSubstr("does not answer"));
  }
  // Ends the call, whose thread has everything that it needs.
  mute.HangUp();
}

}  // namespace
}  // namespace truce::host
