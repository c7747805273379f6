// Cgroups in classes: who is moved, what is shared, and what fails and leaves everything as it was.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "tests/host/resctrl/rig.h"

namespace truce::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using ResctrlPut = OnResctrl;

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

// Somebody takes a thread while the class is in force: what is put back are the others.
// Who counts threads of the default class would lose those that are moved, and not get them back.
// A locked group has given its class away; its list may be that of another group.
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
// The same as a control file.
// Somebody took every thread out of the class: it reads as default, and its group must go all the same.

INSTANTIATE_TEST_SUITE_P(Trees, ResctrlPut, testing::Values(Trees::kV1, Trees::kHybrid, Trees::kV2), NameOf);

}  // namespace
}  // namespace truce::host
