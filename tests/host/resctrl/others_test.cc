// What others do to classes, and what is left alone because it is theirs; and a class as a control file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "src/host/writer_host.h"
#include "tests/host/resctrl/rig.h"

namespace truce::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using ResctrlAndOthers = OnResctrl;

TEST_P(ResctrlAndOthers, GroupsOfOthersAreLeftAlone) {
  kernel_.AddGroup("realtime");
  kernel_.Place(13, "realtime");
  const std::string before = kernel_.Snapshot();
  EXPECT_EQ(resctrl_->Look(*batch_)->foreign, "realtime");
  const absl::Status status = resctrl_->Put(*batch_, kHalf);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("in the group realtime of resctrl"));
  EXPECT_EQ(kernel_.Snapshot(), before);
}

TEST_P(ResctrlAndOthers, WhomSomebodyTookIsNotPutBack) {
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  kernel_.AddGroup("realtime");
  kernel_.Place(13, "realtime");
  EXPECT_EQ(Content(*batch_), StrCat(kHalf, "\n")) << "they are not ours to tell of";
  ASSERT_TRUE(resctrl_->Put(*batch_, "default").ok());
  EXPECT_THAT(kernel_.Groups(), ElementsAre("realtime"));
  EXPECT_THAT(kernel_.Tasks("realtime"), ElementsAre(13));
  EXPECT_THAT(kernel_.Tasks(""), ElementsAre(1, 11, 12, 14, 21, 22));
  EXPECT_EQ(Content(*batch_), "default\n");
}

TEST_P(ResctrlAndOthers, WhoIsCountedBySomebodyIsLeftAlone) {
  tree_.Put("fs/resctrl/mon_groups/their-study/tasks", "12\n77\n");
  EXPECT_EQ(resctrl_->Look(*batch_)->foreign, "mon_groups/their-study");
  EXPECT_FALSE(resctrl_->Put(*batch_, kHalf).ok());
  EXPECT_EQ(resctrl_->Look(*other_)->foreign, "");
  EXPECT_TRUE(resctrl_->Put(*other_, kHalf).ok());
}

TEST_P(ResctrlAndOthers, TheListOfALockedGroupSaysNothing) {
  kernel_.AddGroup("locked");
  kernel_.SetMode("locked", "pseudo-locked");
  tree_.Put("fs/resctrl/locked/tasks", "11\n");
  EXPECT_EQ(resctrl_->Look(*batch_)->foreign, "");
}

TEST_P(ResctrlAndOthers, NewcomersAreToldFromThreadsThatSomebodyReset) {
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  EXPECT_FALSE(resctrl_->Look(*batch_)->only_newcomers) << "nobody is outside";
  kernel_.Place(15);
  Fill("batch", {11, 12, 15});
  CacheMembership membership = *resctrl_->Look(*batch_);
  EXPECT_EQ(membership.content, StrCat("default + ", kHalf, "\n"));
  EXPECT_TRUE(membership.only_newcomers);
  EXPECT_TRUE(resctrl_->Look(*batch_)->only_newcomers) << "and stays one";
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  EXPECT_EQ(Content(*batch_), StrCat(kHalf, "\n"));
  for (const int thread : {15, 11}) {
    kernel_.Place(thread);
    for (int i = 0; i < 2; ++i) EXPECT_FALSE(resctrl_->Look(*batch_)->only_newcomers) << thread;
    ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  }
  // Born inside, so known as soon as it was seen there.
  kernel_.Place(16, kHalfGroup);
  Fill("batch", {11, 12, 15, 16});
  EXPECT_EQ(Content(*batch_), StrCat(kHalf, "\n"));
  kernel_.Place(16);
  EXPECT_FALSE(resctrl_->Look(*batch_)->only_newcomers);
}

TEST_P(ResctrlAndOthers, WhatSomebodySetOnTheGroupIsReadAndSetRight) {
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  kernel_.Set(kHalfGroup, "L3", {{0, 0x7ff}});
  EXPECT_EQ(Content(*batch_), "L3:0=7ff;1=1f8 MB:0=100;1=100\n");
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  EXPECT_EQ(Content(*batch_), StrCat(kHalf, "\n"));
}

TEST_P(ResctrlAndOthers, AGroupThatSomebodyRemovedIsMadeAgain) {
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  kernel_.RemoveGroup(StrCat(tree_.root(), "/fs/resctrl/", kHalfGroup));
  EXPECT_EQ(Content(*batch_), "default\n");
  EXPECT_FALSE(resctrl_->Look(*batch_)->only_newcomers);
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  EXPECT_EQ(Content(*batch_), StrCat(kHalf, "\n"));
}

TEST_P(ResctrlAndOthers, AnUnmountedOneHasEverybodyInDefault) {
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  kernel_.Unmount();
  EXPECT_EQ(Content(*batch_), "default\n");
  kernel_.FailAll(EPERM);  // as sysfs does
  EXPECT_TRUE(resctrl_->Put(*batch_, "default").ok());
}

TEST_P(ResctrlAndOthers, TheNextRunStartsWithEverybodyInDefault) {
  const std::string before = kernel_.Snapshot();
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  ASSERT_TRUE(resctrl_->Put(*other_, kSlow).ok());
  Restart();
  EXPECT_EQ(kernel_.Snapshot(), before);
}

TEST_P(ResctrlAndOthers, TheWriterHasItAsAControlFile) {
  HostControlWriter writer({.resctrl = resctrl_.get(), .run_directory = tree_.Path("run")});
  const ControlFile control{batch_.get(), ThreadTree(*batch_), std::string(kCacheClass)};
  EXPECT_EQ(*writer.Read(control), "default\n");
  ASSERT_TRUE(writer.Write(control, StrCat(kHalf, "\n")).ok());
  EXPECT_EQ(*writer.Read(control), StrCat(kHalf, "\n"));
  kernel_.Place(11);
  const std::string several = *writer.Read(control);
  EXPECT_EQ(several, StrCat("default + ", kHalf, "\n"));
  EXPECT_TRUE(writer.Write(control, several).ok()) << "it is so";
  EXPECT_EQ(*writer.Read(control), several);
  ASSERT_TRUE(writer.Write(control, StrCat(kSlow, "\n")).ok());
  ASSERT_TRUE(writer.Write(control, several).ok()) << "there is no way back to that but to default";
  EXPECT_EQ(*writer.Read(control), "default\n");
  EXPECT_THAT(kernel_.Groups(), IsEmpty());
  const absl::Status status = writer.Write(control, "L9:0=f");
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("batch/cache_class"));
}

TEST_P(ResctrlAndOthers, ToWriteDefaultGivesTheClassUpAlsoWhereItReadsSo) {
  HostControlWriter writer({.resctrl = resctrl_.get(), .run_directory = tree_.Path("run")});
  const ControlFile control{batch_.get(), ThreadTree(*batch_), std::string(kCacheClass)};
  ASSERT_TRUE(writer.Write(control, kHalf).ok());
  for (const int thread : {11, 12, 13, 14}) kernel_.Place(thread);
  EXPECT_EQ(*writer.Read(control), "default\n");
  ASSERT_TRUE(writer.Write(control, "default\n").ok());
  EXPECT_THAT(kernel_.Groups(), IsEmpty());
}

TEST_P(ResctrlAndOthers, WithoutResctrlThereIsNoSuchFileUnlessSomethingMayBeLeft) {
  const ControlFile control{batch_.get(), ThreadTree(*batch_), std::string(kCacheClass)};
  HostControlWriter none({.no_resctrl = absl::FailedPreconditionError("not mounted")});
  EXPECT_TRUE(absl::IsNotFound(none.Read(control).status()));
  EXPECT_TRUE(absl::IsNotFound(none.Write(control, "default\n")));
  HostControlWriter stuck({.no_resctrl = absl::PermissionDeniedError("can't remove what was left")});
  EXPECT_TRUE(absl::IsPermissionDenied(stuck.Read(control).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(stuck.Write(control, "default\n")));
}

INSTANTIATE_TEST_SUITE_P(Trees, ResctrlAndOthers, testing::Values(Trees::kV1, Trees::kHybrid, Trees::kV2), NameOf);

}  // namespace
}  // namespace truce::host
