// What kubelet's static CPU manager keeps for itself, by the file that it leaves.
#include "agent/sense/kubelet.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/fixtures/tree.h"

namespace truce::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kStatic[] =
    R"({"policyName":"static","defaultCpuSet":"0,4-7","entries":{"a1":{"db":"1-2"},"b2":{"web":"3","log":"2"}},)"
    R"("checksum":3242152201})";

TEST(KubeletTest, ReadsWhoHasCpusOfTheirOwn) {
  const auto cpus = ParseKubeletCpus(kStatic);
  ASSERT_TRUE(cpus.ok()) << cpus.status();
  EXPECT_TRUE(cpus->is_static);
  EXPECT_THAT(cpus->exclusive, ElementsAre(1, 2, 3));
  EXPECT_FALSE(ParseKubeletCpus(R"({"policyName":"none","defaultCpuSet":"","checksum":1})")->is_static);
  EXPECT_THAT(ParseKubeletCpus(R"({"policyName":"static","defaultCpuSet":"0-7","checksum":1})")->exclusive, IsEmpty());
  for (const char* broken : {"", "[]", "{", R"({"entries":{}})", R"({"policyName":"static","entries":{"a":{"b":"x"}}})",
                             R"({"policyName":["static"]})", R"({"policyName":"static","entries":{"a":{"b":{}}}})"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseKubeletCpus(broken).status())) << broken;
  }
}

TEST(KubeletTest, FollowsTheFile) {
  test::Tree tree;
  Kubelet kubelet(tree.root());
  EXPECT_FALSE(kubelet.Look().is_static) << "no kubelet here";
  EXPECT_TRUE(kubelet.problem().ok());
  auto put = [&tree, second = time_t{100}](const char* content) mutable {
    tree.Put("cpu_manager_state", content);
    const timespec times[2] = {{++second, 0}, {second, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, tree.Path("cpu_manager_state").c_str(), times, 0), 0);
  };
  put(kStatic);
  EXPECT_TRUE(kubelet.Look().is_static);
  put("{half");
  EXPECT_TRUE(kubelet.Look().is_static) << "what was known holds";
  EXPECT_THAT(std::string(kubelet.problem().message()), HasSubstr("cpu_manager_state"));
  put(R"({"policyName":"none"})");
  EXPECT_FALSE(kubelet.Look().is_static);
  EXPECT_TRUE(kubelet.problem().ok());
  put(kStatic);
  EXPECT_TRUE(kubelet.Look().is_static);
  tree.Remove("cpu_manager_state");
  EXPECT_FALSE(kubelet.Look().is_static) << "kubelet is gone";
  put("{half");
  EXPECT_TRUE(Kubelet(tree.root()).Look().is_static) << "nothing was ever known";
}

TEST(KubeletTest, OnlyPodsUnderTheStaticPolicyAreNotPinned) {
  const KubeletCpus cpus{.is_static = true, .exclusive = {1}};
  EXPECT_THAT(PinRefusal("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poda1.slice", cpus),
              HasSubstr("static CPU manager"));
  EXPECT_NE(PinRefusal("kubepods/poda1", cpus), "");
  EXPECT_EQ(PinRefusal("system.slice/nightly.service", cpus), "");
  EXPECT_EQ(PinRefusal("kubepods/poda1", {}), "");
}

}  // namespace
}  // namespace truce::agent
