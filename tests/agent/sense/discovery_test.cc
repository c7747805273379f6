// Which cgroups are workloads: the pattern language, the shipped rules on paths of real hosts, the labels, the walk.
#include "agent/sense/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "tests/fixtures/tree.h"

namespace truce::agent {
namespace {

using test::Tree;
using testing::ElementsAre;
using testing::IsEmpty;

rc::Gen<std::string> LiteralPath() {
  return rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab/.-_\\x2d@")));
}

TEST(MatchesGlobTest, StarsStopAtSlashesAndDoubleStarsDoNot) {
  EXPECT_TRUE(MatchesGlob("docker/*", "docker/3f"));
  EXPECT_FALSE(MatchesGlob("docker/*", "docker/3f/init"));
  EXPECT_FALSE(MatchesGlob("docker/*", "docker"));
  EXPECT_TRUE(MatchesGlob("a/**.service", "a/b.slice/c.service"));
  EXPECT_TRUE(MatchesGlob("a/**.service", "a/c.service"));
  EXPECT_FALSE(MatchesGlob("a/**.service", "a/c.service/x"));
  EXPECT_TRUE(MatchesGlob("**", ""));
  EXPECT_TRUE(MatchesGlob("**x**", "a/x/b"));
  EXPECT_TRUE(MatchesGlob("a?c", "abc"));
  EXPECT_FALSE(MatchesGlob("a?c", "a/c"));
  EXPECT_FALSE(MatchesGlob("a?c", "ac"));
  EXPECT_FALSE(MatchesGlob("", "a"));
  EXPECT_TRUE(MatchesGlob("", ""));
  EXPECT_FALSE(MatchesGlob("abc", "ab"));
  EXPECT_FALSE(MatchesGlob("ab", "abc"));
}

RC_GTEST_PROP(MatchesGlobTest, ALiteralPathMatchesItselfAndDoubleStarMatchesEverything, ()) {
  const std::string path = *LiteralPath();
  RC_ASSERT(MatchesGlob(path, path));
  RC_ASSERT(MatchesGlob("**", path));
  RC_ASSERT(MatchesGlob(path + "**", path));
  RC_ASSERT(MatchesGlob("**" + path, "x/" + path));
  RC_ASSERT(!MatchesGlob(path, path + "x"));
  RC_ASSERT(MatchesGlob("*", path) == (path.find('/') == std::string::npos));
}

// What the shipped rules make of a path on its way down from the root: the kind and path of the first cgroup that is a
// workload, "ignored", or "" when none is.
std::string ShippedRulesSay(const std::string& path) {
  const std::vector<DiscoveryRule> rules = DefaultDiscoveryRules();
  for (size_t slash = path.find('/');; slash = path.find('/', slash + 1)) {
    const std::string prefix = path.substr(0, slash);
    for (const DiscoveryRule& rule : rules) {
      if (MatchesGlob(rule.match, prefix)) return rule.ignore ? "ignored" : rule.kind + " " + prefix;
    }
    if (slash == std::string::npos) return "";
  }
}

TEST(DefaultDiscoveryRulesTest, FindTheWorkloadsOfRealHosts) {
  const std::string id = "3f2a9c0d1e";
  const std::map<std::string, std::string> kExpected = {
      {"system.slice/docker-" + id + ".scope", "docker system.slice/docker-" + id + ".scope"},
      {"docker/" + id, "docker docker/" + id},
      {"docker/" + id + "/init.scope", "docker docker/" + id},
      {"machine.slice/libpod-" + id + ".scope/container", "podman machine.slice/libpod-" + id + ".scope"},
      {"libpod_parent/libpod-" + id, "podman libpod_parent/libpod-" + id},
      {"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a_1b.slice/cri-containerd-" + id + ".scope",
       "kubernetes kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a_1b.slice"},
      {"kubepods.slice/kubepods-pod0a_1b.slice/crio-" + id + ".scope",
       "kubernetes kubepods.slice/kubepods-pod0a_1b.slice"},
      {"kubepods.slice/kubepods-besteffort.slice", ""},
      {"kubepods/burstable/pod0a-1b/" + id, "kubernetes kubepods/burstable/pod0a-1b"},
      {"kubepods/pod0a-1b/" + id, "kubernetes kubepods/pod0a-1b"},
      {"kubepods/besteffort", ""},
      {"machine.slice/machine-qemu\\x2d1\\x2ddb.scope/libvirt/vcpu0",
       "machine machine.slice/machine-qemu\\x2d1\\x2ddb.scope"},
      {"machine.slice/systemd-nspawn@web.service/payload", "machine machine.slice/systemd-nspawn@web.service"},
      {"system.slice/redis.service", "systemd system.slice/redis.service"},
      {"system.slice/system-postgresql.slice/postgresql@13-main.service",
       "systemd system.slice/system-postgresql.slice/postgresql@13-main.service"},
      {"system.slice/containerd.service", "systemd system.slice/containerd.service"},
      {"user.slice/user-1000.slice/session-2.scope", "systemd user.slice/user-1000.slice"},
      {"system.slice/truce-agent.service", "ignored"},
      {"system.slice/truce-controller.service", "ignored"},
      {"truce-agent.calibration/a", "ignored"},
      {"init.scope", ""},
      {"system.slice/boot.mount", ""},
      {"dev-hugepages.mount", ""},
  };
  for (const auto& [path, expected] : kExpected) EXPECT_EQ(ShippedRulesSay(path), expected) << path;
}

class DiscoveryTest : public testing::Test {
 protected:
  DiscoveryTest() { tree_.Put("cgroup.controllers", "cpu memory\n"); }
  std::vector<DiscoveredWorkload> Walk(std::vector<DiscoveryRule> rules) {
    layout_.emplace(*host::CgroupLayout::Detect(tree_.root()));
    discovery_ = std::make_unique<Discovery>(*layout_, std::move(rules));
    return discovery_->Walk().value();
  }
  static DiscoveryRule Rule(const std::string& match) {
    DiscoveryRule rule;
    rule.match = match;
    return rule;
  }
  static std::vector<std::string> Paths(const std::vector<DiscoveredWorkload>& workloads) {
    std::vector<std::string> paths;
    for (const auto& workload : workloads) paths.push_back(workload.path);
    return paths;
  }

  Tree tree_;
  std::optional<host::CgroupLayout> layout_;
  std::unique_ptr<Discovery> discovery_;
};

TEST_F(DiscoveryTest, LabelsTakeTheirNamesFromThePath) {
  tree_.MakeDirectory("shop.slice/shop-web.slice/frontend@1.service");
  tree_.MakeDirectory("solo.scope");
  tree_.MakeDirectory(".hidden");
  tree_.MakeDirectory("plain");
  DiscoveryRule rule = Rule("shop.slice/**.service");
  rule.application = "{parent}/{name}";
  rule.tenant = "{parent}";
  DiscoveryRule solo = Rule("*.scope");
  solo.application = "{name}{parent}";
  DiscoveryRule plain = Rule("p*");
  plain.tenant = "fixed";
  const auto found = Walk({rule, solo, plain});
  ASSERT_THAT(Paths(found), ElementsAre("plain", "shop.slice/shop-web.slice/frontend@1.service", "solo.scope"));
  EXPECT_EQ(found[0].application, "plain");
  EXPECT_EQ(found[0].tenant, "fixed");
  EXPECT_EQ(found[1].application, "shop-web/frontend@1");
  EXPECT_EQ(found[1].tenant, "shop-web");
  EXPECT_EQ(found[2].application, "solo") << "at the top there is no parent";
}

TEST_F(DiscoveryTest, TheFirstRuleWinsAndNothingBelowAWorkloadOrAnIgnoredCgroupIsOne) {
  tree_.MakeDirectory("a/x/x");
  tree_.MakeDirectory("a/y");
  tree_.MakeDirectory("b/x");
  DiscoveryRule ignore = Rule("b");
  ignore.ignore = true;
  DiscoveryRule first = Rule("a/x");
  first.kind = "first";
  const auto found = Walk({ignore, first, Rule("**x")});
  ASSERT_THAT(Paths(found), ElementsAre("a/x"));
  EXPECT_EQ(found[0].rule->kind, "first");
  EXPECT_THAT(Walk({}), IsEmpty());
}

// Text on the wire is UTF-8: one such name in a report, and the whole report would never arrive.
TEST_F(DiscoveryTest, ANameThatIsNoUtf8IsLeftOutWithEverythingBelowItAndCounted) {
  tree_.MakeDirectory("a\xff.scope/inside.scope");
  tree_.MakeDirectory("a.slice/\xc3\x28.scope");
  tree_.MakeDirectory("a.slice/b.scope");
  tree_.MakeDirectory("gr\xc3\xbcn.scope");
  const auto found = Walk({Rule("**.scope")});
  EXPECT_THAT(Paths(found), ElementsAre("a.slice/b.scope", "gr\xc3\xbcn.scope"));
  int unnamable = -1;
  ASSERT_TRUE(discovery_->Walk(&unnamable).ok());
  EXPECT_EQ(unnamable, 2);
}

TEST_F(DiscoveryTest, AHybridHostsRuntimeThatUsesTheCpuTreeAloneIsFoundOnce) {
  Tree hybrid({{"cpu/cpu.shares", "1024"}, {"unified/cgroup.controllers", ""}});
  hybrid.MakeDirectory("cpu/docker/only-cpu");
  hybrid.MakeDirectory("cpu/docker/both");
  hybrid.MakeDirectory("unified/docker/both");
  hybrid.MakeDirectory("unified/docker/only-unified");
  layout_.emplace(*host::CgroupLayout::Detect(hybrid.root()));
  EXPECT_THAT(Paths(Discovery(*layout_, DefaultDiscoveryRules()).Walk().value()),
              ElementsAre("docker/both", "docker/only-cpu", "docker/only-unified"));
}

}  // namespace
}  // namespace truce::agent
