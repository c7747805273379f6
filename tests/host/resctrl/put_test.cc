// Cgroups in classes: who is moved, what is shared, what fails and leaves everything as it was, and who is left alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>

#include "src/host/resctrl.h"
#include "src/host/writer_host.h"
#include "tests/fixtures/fake_resctrl.h"

namespace truce::host {
namespace {

using test::FakeResctrl;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kHalf[] = "L3:0=1f8;1=1f8 MB:0=100;1=100";
constexpr char kHalfGroup[] = "truce-L3-1f8-MB-100";
constexpr char kSlow[] = "L3:0=7ff;1=7ff MB:0=30;1=30";
constexpr char kSlowGroup[] = "truce-L3-7ff-MB-30";

enum class Trees { kV1, kHybrid, kV2 };

class ResctrlPut : public testing::TestWithParam<Trees> {
 protected:
  ResctrlPut() : kernel_(tree_, test::Xeon()) {
    spdlog::set_level(spdlog::level::off);
    if (GetParam() != Trees::kV2) {
      tree_.Put("cgroup/cpu/cpu.shares", "1024\n");
      tree_.Put("cgroup/cpu/tasks", "");
    }
    if (GetParam() != Trees::kV1) tree_.Put(At("cgroup.controllers"), "\n");
    Fill("batch", {11, 12});
    Fill("batch/nested", {13});
    Fill("batch/nested/deeper", {14});
    Fill("other", {21, 22});
    for (const int thread : {1, 11, 12, 13, 14, 21, 22}) kernel_.Place(thread);
    layout_.emplace(*CgroupLayout::Detect(tree_.Path("cgroup")));
    batch_ = *Cgroup::Open(*layout_, "batch");
    other_ = *Cgroup::Open(*layout_, "other");
    Restart();
  }

  void Restart() {
    auto resctrl = Resctrl::Open(kernel_.Options());
    ASSERT_TRUE(resctrl.ok()) << resctrl.status();
    resctrl_ = *std::move(resctrl);
  }
  // Where the lists of threads are.
  std::string At(const std::string& path) const {
    return StrCat("cgroup/", GetParam() == Trees::kV2 ? "" : GetParam() == Trees::kV1 ? "cpu/" : "unified/", path);
  }
  void Fill(const std::string& path, const std::vector<int>& threads) const {
    std::string list;
    for (const int thread : threads) StrAppend(&list, thread, "\n");
    tree_.Put(At(StrCat(path, "/", GetParam() == Trees::kV1 ? "tasks" : "cgroup.threads")), list);
  }
  std::string Content(const Cgroup& cgroup) {
    const auto membership = resctrl_->Look(cgroup);
    return membership.ok() ? membership->content : std::string(membership.status().message());
  }

  test::Tree tree_;
  FakeResctrl kernel_;
  std::optional<CgroupLayout> layout_;
  std::unique_ptr<Cgroup> batch_;
  std::unique_ptr<Cgroup> other_;
  std::unique_ptr<Resctrl> resctrl_;
};

TEST_P(ResctrlPut, EveryThreadGoesAndComesBack) {
  const std::string before = kernel_.Snapshot();
  EXPECT_EQ(Content(*batch_), "default\n");
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  EXPECT_THAT(kernel_.Tasks(kHalfGroup), ElementsAre(11, 12, 13, 14)) << "of nested cgroups too";
  EXPECT_THAT(kernel_.Tasks(""), ElementsAre(1, 21, 22));
  EXPECT_EQ(kernel_.Schemata(kHalfGroup), kHalf);
  EXPECT_EQ(Content(*batch_), StrCat(kHalf, "\n"));
  EXPECT_EQ(Content(*other_), "default\n");
  ASSERT_TRUE(resctrl_->Put(*batch_, "default\n").ok());
  EXPECT_EQ(kernel_.Snapshot(), before);
  EXPECT_EQ(Content(*batch_), "default\n");
}

TEST_P(ResctrlPut, WhoIsBoundedAlikeSharesAClass) {
  const std::string before = kernel_.Snapshot();
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  ASSERT_TRUE(resctrl_->Put(*other_, "MB:0=100;1=100 L3:0=1f8;1=1f8").ok());
  EXPECT_THAT(kernel_.Groups(), ElementsAre(kHalfGroup));
  ASSERT_TRUE(resctrl_->Put(*batch_, kSlow).ok());
  EXPECT_THAT(kernel_.Groups(), ElementsAre(kHalfGroup, kSlowGroup));
  ASSERT_TRUE(resctrl_->Put(*other_, kSlow).ok());
  EXPECT_THAT(kernel_.Groups(), ElementsAre(kSlowGroup)) << "nobody needs the other one any more";
  EXPECT_THAT(kernel_.Tasks(kSlowGroup), ElementsAre(11, 12, 13, 14, 21, 22));
  ASSERT_TRUE(resctrl_->Put(*batch_, "default").ok());
  EXPECT_THAT(kernel_.Tasks(kSlowGroup), ElementsAre(21, 22));
  ASSERT_TRUE(resctrl_->Put(*other_, "default").ok());
  EXPECT_EQ(kernel_.Snapshot(), before);
}

// Threads that are born while others are moved: a child of one that was moved has its class, a child of one that was
// not yet does not.
TEST_P(ResctrlPut, WhoIsBornMeanwhileIsMovedToo) {
  std::vector<int> threads = {11, 12};
  kernel_.SetHook([&] {
    if (threads.size() > 8) return;
    const int child = 100 + static_cast<int>(threads.size());
    threads.push_back(child);
    kernel_.Place(child, "");
    Fill("batch", threads);
  });
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  EXPECT_EQ(kernel_.Tasks(kHalfGroup).size(), threads.size() + 2);
}

TEST_P(ResctrlPut, WhoMakesThreadsWithoutEndIsPutBack) {
  std::vector<int> threads = {11, 12};
  // Whenever the last one is about to be moved, there is another.
  kernel_.SetHook([&] {
    const std::set<int> outside = kernel_.Tasks("");
    if (std::count_if(threads.begin(), threads.end(), [&](int one) { return outside.contains(one); }) > 1) return;
    const int child = 100 + static_cast<int>(threads.size());
    threads.push_back(child);
    kernel_.Place(child, "");
    Fill("batch", threads);
  });
  const absl::Status status = resctrl_->Put(*batch_, kHalf);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(kernel_.Groups(), IsEmpty());
}

TEST_P(ResctrlPut, WhoEndsMeanwhileIsNoError) {
  Fill("batch", {11, 12, 99});  // 99 has ended and is still listed
  kernel_.SetHook([&] {
    if (kernel_.Groups().contains(kHalfGroup) && kernel_.Tasks(kHalfGroup).contains(11)) kernel_.End(12);
  });
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  EXPECT_THAT(kernel_.Tasks(kHalfGroup), ElementsAre(11, 13, 14));
  EXPECT_EQ(Content(*batch_), StrCat(kHalf, "\n"));
}

// Each step with each error: everybody is where they were, the reason is told with the kernel's words, and the next try
// works.
TEST_P(ResctrlPut, EachFailureLeavesEverythingAsItWas) {
  const std::string untouched = kernel_.Snapshot();
  for (const bool from_another : {false, true}) {
    if (from_another) {
      ASSERT_TRUE(resctrl_->Put(*batch_, kSlow).ok());
    }
    const std::string before = kernel_.Snapshot();
    const std::string content = Content(*batch_);
    // Making the group, writing its schemata, moving four threads.
    for (int n = 1; n <= 6; ++n) {
      for (const int error : {EBUSY, EINVAL, ENOENT, EACCES, ENOSPC}) {
        SCOPED_TRACE(testing::Message() << "call " << n << " fails with errno " << error << " " << from_another);
        kernel_.Fail(n, error);
        const absl::Status status = resctrl_->Put(*batch_, kHalf);
        ASSERT_FALSE(status.ok());
        EXPECT_FALSE(absl::IsNotFound(status)) << "that would be the workload";
        EXPECT_THAT(std::string(status.message()), HasSubstr("the kernel says: Failed as the test wants it"));
        EXPECT_EQ(kernel_.Snapshot(), before);
        EXPECT_EQ(Content(*batch_), content);
      }
    }
    ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
    const std::string held = kernel_.Snapshot();
    for (int n = 1; n <= 4; ++n) {
      kernel_.Fail(n, EINVAL);
      EXPECT_FALSE(resctrl_->Put(*batch_, "default").ok());
      EXPECT_EQ(kernel_.Snapshot(), held) << n;
    }
    ASSERT_TRUE(resctrl_->Put(*batch_, "default").ok());
    EXPECT_EQ(kernel_.Snapshot(), untouched);
  }
}

TEST_P(ResctrlPut, WhenAllClassesAreTakenItIsSaid) {
  for (int i = 0; i < 7; ++i) kernel_.AddGroup(StrCat("theirs-", i));
  const std::string before = kernel_.Snapshot();
  const absl::Status status = resctrl_->Put(*batch_, kHalf);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("the kernel says: Out of CLOSIDs; all classes"));
  EXPECT_EQ(kernel_.Snapshot(), before);
}

TEST_P(ResctrlPut, WhatTheHardwareRefusesIsSaidInTheKernelsWords) {
  const std::string before = kernel_.Snapshot();
  const absl::Status status = resctrl_->Put(*batch_, "L3:0=505;1=7ff MB:0=100;1=100");
  EXPECT_THAT(std::string(status.message()), HasSubstr("the kernel says: The mask 505 has non-consecutive 1-bits"));
  EXPECT_EQ(kernel_.Snapshot(), before);
}

TEST_P(ResctrlPut, GroupsOfOthersAreLeftAlone) {
  kernel_.AddGroup("realtime");
  kernel_.Place(13, "realtime");
  const std::string before = kernel_.Snapshot();
  EXPECT_EQ(resctrl_->Look(*batch_)->foreign, "realtime");
  const absl::Status status = resctrl_->Put(*batch_, kHalf);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("in the group realtime of resctrl"));
  EXPECT_EQ(kernel_.Snapshot(), before);
}

// Somebody takes a thread while the class is in force: what is put back are the others.
TEST_P(ResctrlPut, WhomSomebodyTookIsNotPutBack) {
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

// Who counts threads of the default class would lose those that are moved, and not get them back.
TEST_P(ResctrlPut, WhoIsCountedBySomebodyIsLeftAlone) {
  tree_.Put("fs/resctrl/mon_groups/their-study/tasks", "12\n77\n");
  EXPECT_EQ(resctrl_->Look(*batch_)->foreign, "mon_groups/their-study");
  EXPECT_FALSE(resctrl_->Put(*batch_, kHalf).ok());
  EXPECT_EQ(resctrl_->Look(*other_)->foreign, "");
  EXPECT_TRUE(resctrl_->Put(*other_, kHalf).ok());
}

// A locked group has given its class away; its list may be that of another group.
TEST_P(ResctrlPut, TheListOfALockedGroupSaysNothing) {
  kernel_.AddGroup("locked");
  kernel_.SetMode("locked", "pseudo-locked");
  tree_.Put("fs/resctrl/locked/tasks", "11\n");
  EXPECT_EQ(resctrl_->Look(*batch_)->foreign, "");
}

TEST_P(ResctrlPut, NewcomersAreToldFromThreadsThatSomebodyReset) {
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

// What leaves the workload keeps the class, until nobody needs that any more.
TEST_P(ResctrlPut, WhoHasLeftIsFreeWhenTheClassGoes) {
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  Fill("batch", {11});
  Fill("other", {12, 21, 22});
  EXPECT_EQ(Content(*other_), StrCat("default + ", kHalf, "\n"));
  ASSERT_TRUE(resctrl_->Put(*batch_, "default").ok());
  EXPECT_THAT(kernel_.Groups(), IsEmpty());
  EXPECT_THAT(kernel_.Tasks(""), ElementsAre(1, 11, 12, 13, 14, 21, 22));
}

TEST_P(ResctrlPut, ACgroupThatIsGoneNeedsNoClass) {
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  ASSERT_TRUE(resctrl_->Put(*other_, kHalf).ok());
  tree_.Remove(At("batch"));
  EXPECT_TRUE(absl::IsNotFound(resctrl_->Look(*batch_).status()));
  resctrl_->Forget("batch");
  EXPECT_THAT(kernel_.Groups(), ElementsAre(kHalfGroup)) << "the other one needs it";
  resctrl_->Forget("other");
  resctrl_->Forget("nobody");
  EXPECT_THAT(kernel_.Groups(), IsEmpty());
}

TEST_P(ResctrlPut, WithoutThreadsACgroupIsWhereItWasPut) {
  for (const char* path : {"batch", "batch/nested", "batch/nested/deeper"}) Fill(path, {});
  EXPECT_EQ(Content(*batch_), "default\n");
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  EXPECT_EQ(Content(*batch_), StrCat(kHalf, "\n"));
  ASSERT_TRUE(resctrl_->Put(*batch_, "default").ok());
  EXPECT_THAT(kernel_.Groups(), IsEmpty());
}

// The content is the kernel's, not what Truce remembers.
TEST_P(ResctrlPut, WhatSomebodySetOnTheGroupIsReadAndSetRight) {
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  kernel_.Set(kHalfGroup, "L3", {{0, 0x7ff}});
  EXPECT_EQ(Content(*batch_), "L3:0=7ff;1=1f8 MB:0=100;1=100\n");
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  EXPECT_EQ(Content(*batch_), StrCat(kHalf, "\n"));
}

TEST_P(ResctrlPut, AGroupThatSomebodyRemovedIsMadeAgain) {
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  kernel_.RemoveGroup(StrCat(tree_.root(), "/fs/resctrl/", kHalfGroup));
  EXPECT_EQ(Content(*batch_), "default\n");
  EXPECT_FALSE(resctrl_->Look(*batch_)->only_newcomers);
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  EXPECT_EQ(Content(*batch_), StrCat(kHalf, "\n"));
}

TEST_P(ResctrlPut, AnUnmountedOneHasEverybodyInDefault) {
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  kernel_.Unmount();
  EXPECT_EQ(Content(*batch_), "default\n");
  kernel_.FailAll(EPERM);  // as sysfs does
  EXPECT_TRUE(resctrl_->Put(*batch_, "default").ok());
}

TEST_P(ResctrlPut, TheNextRunStartsWithEverybodyInDefault) {
  const std::string before = kernel_.Snapshot();
  ASSERT_TRUE(resctrl_->Put(*batch_, kHalf).ok());
  ASSERT_TRUE(resctrl_->Put(*other_, kSlow).ok());
  Restart();
  EXPECT_EQ(kernel_.Snapshot(), before);
}

// The same as a control file.
TEST_P(ResctrlPut, TheWriterHasItAsAControlFile) {
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

// Somebody took every thread out of the class: it reads as default, and its group must go all the same.
TEST_P(ResctrlPut, ToWriteDefaultGivesTheClassUpAlsoWhereItReadsSo) {
  HostControlWriter writer({.resctrl = resctrl_.get(), .run_directory = tree_.Path("run")});
  const ControlFile control{batch_.get(), ThreadTree(*batch_), std::string(kCacheClass)};
  ASSERT_TRUE(writer.Write(control, kHalf).ok());
  for (const int thread : {11, 12, 13, 14}) kernel_.Place(thread);
  EXPECT_EQ(*writer.Read(control), "default\n");
  ASSERT_TRUE(writer.Write(control, "default\n").ok());
  EXPECT_THAT(kernel_.Groups(), IsEmpty());
}

TEST_P(ResctrlPut, WithoutResctrlThereIsNoSuchFileUnlessSomethingMayBeLeft) {
  const ControlFile control{batch_.get(), ThreadTree(*batch_), std::string(kCacheClass)};
  HostControlWriter none({.no_resctrl = absl::FailedPreconditionError("not mounted")});
  EXPECT_TRUE(absl::IsNotFound(none.Read(control).status()));
  EXPECT_TRUE(absl::IsNotFound(none.Write(control, "default\n")));
  HostControlWriter stuck({.no_resctrl = absl::PermissionDeniedError("can't remove what was left")});
  EXPECT_TRUE(absl::IsPermissionDenied(stuck.Read(control).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(stuck.Write(control, "default\n")));
}

std::string NameOf(const testing::TestParamInfo<Trees>& info) {
  return info.param == Trees::kV1 ? "v1" : info.param == Trees::kHybrid ? "hybrid" : "v2";
}
INSTANTIATE_TEST_SUITE_P(Trees, ResctrlPut, testing::Values(Trees::kV1, Trees::kHybrid, Trees::kV2), NameOf);

}  // namespace
}  // namespace truce::host
