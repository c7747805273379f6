// Cgroups with threads on a host with resctrl, on every kind of cgroup tree.
#pragma once

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/host/resctrl.h"
#include "tests/fixtures/fake_resctrl.h"

namespace truce::host {

inline constexpr char kHalf[] = "L3:0=1f8;1=1f8 MB:0=100;1=100";
inline constexpr char kHalfGroup[] = "truce-L3-1f8-MB-100";
inline constexpr char kSlow[] = "L3:0=7ff;1=7ff MB:0=30;1=30";
inline constexpr char kSlowGroup[] = "truce-L3-7ff-MB-30";

enum class Trees { kV1, kHybrid, kV2 };

class OnResctrl : public testing::TestWithParam<Trees> {
 protected:
  OnResctrl() : kernel_(tree_, test::Xeon()) {
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
  test::FakeResctrl kernel_;
  std::optional<CgroupLayout> layout_;
  std::unique_ptr<Cgroup> batch_;
  std::unique_ptr<Cgroup> other_;
  std::unique_ptr<Resctrl> resctrl_;
};

inline std::string NameOf(const testing::TestParamInfo<Trees>& info) {
  return info.param == Trees::kV1 ? "v1" : info.param == Trees::kHybrid ? "hybrid" : "v2";
}

}  // namespace truce::host
