// What an operator may set: the shipped example must say the truth, and mistakes must be refused.
#include "agent/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include "agent/agent_models.h"
#include "src/base/text.h"
#include "src/rpc/certificates.h"
#include "tests/fixtures/tree.h"

namespace truce::agent {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

ConfigSource Text(const std::string& text) {
  ConfigSource source;
  source.file = "agent.yaml";
  source.text = text;
  return source;
}

std::string ErrorOf(const std::string& text) {
  const auto settings = ReadAgentSettings(Text(text));
  EXPECT_FALSE(settings.ok()) << text;
  return std::string(settings.status().message());
}

ConfigSource Shipped() {
  const std::string file = TRUCE_SOURCE_DIR "/deploy/truce-agent.yaml";
  auto source = LoadConfigSource(file, "TRUCE_NOTHING_HAS_THIS_PREFIX_", {});
  EXPECT_TRUE(source.ok()) << source.status();
  return *source;
}

// Every key of a YAML text that has a value, with list elements as "rules[].match".
void CollectKeys(const YAML::Node& node, const std::string& prefix, std::set<std::string>* keys) {
  if (node.IsMap()) {
    for (const auto& entry : node) {
      const std::string name = prefix + entry.first.Scalar();
      if (!entry.second.IsMap()) keys->insert(name);
      CollectKeys(entry.second, name + (entry.second.IsMap() ? "." : ""), keys);
    }
  } else if (node.IsSequence()) {
    for (const auto& element : node) CollectKeys(element, prefix + "[].", keys);
  }
}

TEST(AgentSettingsTest, TheShippedExampleLoadsToExactlyTheDefaults) {
  const auto shipped = ReadAgentSettings(Shipped());
  const auto standard = ReadAgentSettings(Text(""));
  ASSERT_TRUE(shipped.ok()) << shipped.status();
  ASSERT_TRUE(standard.ok()) << standard.status();
  const AgentSettings& a = *shipped;
  const AgentSettings& b = *standard;
  EXPECT_EQ(a.host, b.host);
  EXPECT_EQ(a.procfs, b.procfs);
  EXPECT_EQ(a.sysfs, b.sysfs);
  EXPECT_EQ(a.cgroup_root, b.cgroup_root);
  EXPECT_EQ(a.run_directory, b.run_directory);
  EXPECT_EQ(a.kubelet_directory, b.kubelet_directory);
  EXPECT_EQ(a.log_level, b.log_level);
  EXPECT_EQ(a.metrics_listen, b.metrics_listen);
  EXPECT_EQ(a.sample_interval, b.sample_interval);
  EXPECT_EQ(a.score_interval, b.score_interval);
  EXPECT_EQ(a.modes.initial, b.modes.initial);
  EXPECT_EQ(a.modes.ceiling, b.modes.ceiling);
  EXPECT_EQ(a.sampler.slow_every, b.sampler.slow_every);
  EXPECT_EQ(a.sampler.most_workloads, b.sampler.most_workloads);
  EXPECT_EQ(a.profiler.window_samples, b.profiler.window_samples);
  EXPECT_EQ(a.profiler.least_samples, b.profiler.least_samples);
  EXPECT_EQ(a.profiler.learn_sigmas, b.profiler.learn_sigmas);
  EXPECT_EQ(a.profiler.adapt_after_samples, b.profiler.adapt_after_samples);
  EXPECT_EQ(a.profiler.baseline_memory, b.profiler.baseline_memory);
  EXPECT_EQ(a.evidence.recent_samples, b.evidence.recent_samples);
  EXPECT_EQ(a.evidence.outlier_sigmas, b.evidence.outlier_sigmas);
  EXPECT_EQ(a.evidence.least_outliers, b.evidence.least_outliers);
  EXPECT_EQ(a.evidence.least_correlation, b.evidence.least_correlation);
  EXPECT_EQ(a.evidence.slowdown_bound, b.evidence.slowdown_bound);
  EXPECT_EQ(a.evidence.least_victim_cores, b.evidence.least_victim_cores);
  EXPECT_EQ(a.evidence.least_suspect_cores, b.evidence.least_suspect_cores);
  EXPECT_EQ(a.evidence.most_suspects, b.evidence.most_suspects);
  EXPECT_EQ(a.evidence.own_quota_ratio, b.evidence.own_quota_ratio);
  EXPECT_EQ(a.evidence.steal_ratio, b.evidence.steal_ratio);
  EXPECT_EQ(a.evidence.report_floor, b.evidence.report_floor);
  EXPECT_EQ(a.actuator.state_directory, b.actuator.state_directory);
  EXPECT_EQ(a.actuator.floors.cores, b.actuator.floors.cores);
  EXPECT_EQ(a.actuator.floors.memory_bytes, b.actuator.floors.memory_bytes);
  EXPECT_EQ(a.actuator.floors.disk_bytes_per_second, b.actuator.floors.disk_bytes_per_second);
  EXPECT_EQ(a.actuator.floors.disk_operations_per_second, b.actuator.floors.disk_operations_per_second);
  EXPECT_EQ(a.actuator.floors.network_bytes_per_second, b.actuator.floors.network_bytes_per_second);
  EXPECT_EQ(a.actuator.floors.cache_ratio, b.actuator.floors.cache_ratio);
  EXPECT_EQ(a.actuator.floors.memory_bandwidth_ratio, b.actuator.floors.memory_bandwidth_ratio);
  EXPECT_EQ(a.actuator.floors.memory_bandwidth_bytes_per_second, b.actuator.floors.memory_bandwidth_bytes_per_second);
  EXPECT_EQ(a.actuator.changes_per_minute, b.actuator.changes_per_minute);
  EXPECT_EQ(a.actuator.longest_lease, b.actuator.longest_lease);
  EXPECT_EQ(a.actuator.help_window, b.actuator.help_window);
  EXPECT_EQ(a.actuator.help_ratio, b.actuator.help_ratio);
  EXPECT_EQ(a.actuator.futile_backoff, b.actuator.futile_backoff);
  EXPECT_EQ(a.actuator.reapply_backoff, b.actuator.reapply_backoff);
  EXPECT_EQ(a.actuator.reapply_limit, b.actuator.reapply_limit);
  EXPECT_EQ(a.libvirt_uri, b.libvirt_uri);
  EXPECT_EQ(a.migration.drivers, b.migration.drivers);
  EXPECT_EQ(a.migration.address, b.migration.address);
  EXPECT_EQ(a.migration.first_port, b.migration.first_port);
  EXPECT_EQ(a.migration.last_port, b.migration.last_port);
  EXPECT_EQ(a.migration.bytes_per_second, b.migration.bytes_per_second);
  EXPECT_EQ(a.migration.longest_downtime, b.migration.longest_downtime);
  EXPECT_EQ(a.migration.longest_move, b.migration.longest_move);
  EXPECT_EQ(a.migration.qemu_start_command, b.migration.qemu_start_command);
  EXPECT_EQ(a.migration.command, b.migration.command);
  EXPECT_EQ(a.migration.podman_directory, b.migration.podman_directory);
  EXPECT_EQ(a.migration.podman_program, b.migration.podman_program);
  EXPECT_EQ(a.migration.libvirt_uri, b.migration.libvirt_uri);
  EXPECT_EQ(a.migration.libvirt_peer_uri, b.migration.libvirt_peer_uri);
  EXPECT_EQ(a.migration.kubernetes_api, b.migration.kubernetes_api);
  EXPECT_EQ(a.migration.kubernetes_node, b.migration.kubernetes_node);
  EXPECT_EQ(a.migration.kubernetes_token_file, b.migration.kubernetes_token_file);
  EXPECT_EQ(a.migration.kubernetes_ca_file, b.migration.kubernetes_ca_file);
  EXPECT_EQ(a.mover.most_at_a_time, b.mover.most_at_a_time);
  EXPECT_EQ(a.mover.least_free_memory_ratio, b.mover.least_free_memory_ratio);
  EXPECT_EQ(a.counters.enabled, b.counters.enabled);
  EXPECT_EQ(a.counters.budget_ratio, b.counters.budget_ratio);
  EXPECT_EQ(a.counters.max_counted, b.counters.max_counted);
  EXPECT_EQ(a.controller_enabled, b.controller_enabled);
  EXPECT_EQ(a.link.address, b.link.address);
  EXPECT_EQ(a.link.plaintext, b.link.plaintext);
  EXPECT_EQ(a.link.ca_file, b.link.ca_file);
  EXPECT_EQ(a.link.certificate_file, b.link.certificate_file);
  EXPECT_EQ(a.link.key_file, b.link.key_file);
  EXPECT_EQ(a.link.first_backoff, b.link.first_backoff);
  EXPECT_EQ(a.link.longest_backoff, b.link.longest_backoff);
  EXPECT_EQ(a.link.spooled_reports, b.link.spooled_reports);
  EXPECT_EQ(a.link.spooled_receipts, b.link.spooled_receipts);
  ASSERT_EQ(a.sampler.rules.size(), b.sampler.rules.size());
  for (size_t i = 0; i < a.sampler.rules.size(); ++i) {
    const DiscoveryRule& c = a.sampler.rules[i];
    const DiscoveryRule& d = b.sampler.rules[i];
    EXPECT_EQ(c.match, d.match);
    EXPECT_EQ(c.ignore, d.ignore) << c.match;
    EXPECT_EQ(c.kind, d.kind) << c.match;
    EXPECT_EQ(c.application, d.application) << c.match;
    EXPECT_EQ(c.tenant, d.tenant) << c.match;
    EXPECT_EQ(c.workload_class, d.workload_class) << c.match;
    EXPECT_EQ(c.priority, d.priority) << c.match;
    EXPECT_EQ(c.mode_ceiling, d.mode_ceiling) << c.match;
    EXPECT_EQ(c.levers, d.levers) << c.match;
  }
}

TEST(AgentSettingsTest, TheShippedExampleHasEveryKeyThatThereIs) {
  const ConfigSource source = Shipped();
  std::set<std::string> known;
  ASSERT_TRUE(ReadAgentSettings(source, &known).ok());
  ASSERT_GT(known.size(), 50u);
  std::set<std::string> given;
  CollectKeys(YAML::Load(source.text), "", &given);
  for (const std::string& key : known) {
    if (given.contains(key)) continue;
    // Keys of one rule that stand at their default in each shipped rule are shown in a comment.
    constexpr std::string_view kRule = "discovery.rules[].";
    ASSERT_TRUE(key.starts_with(kRule)) << key << " is not in deploy/truce-agent.yaml";
    EXPECT_THAT(source.text, HasSubstr(StrCat("#     ", key.substr(kRule.size()), ": "))) << key;
  }
}

TEST(AgentSettingsTest, TheRuleInTheExamplesCommentIsARule) {
  // What operators copy must work when uncommented.
  std::istringstream lines(Shipped().text);
  std::string rule = "discovery:\n  rules:\n";
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  #   - ") || line.starts_with("  #     ")) rule += "    " + line.substr(6) + "\n";
  }
  const auto settings = ReadAgentSettings(Text(rule));
  ASSERT_TRUE(settings.ok()) << settings.status() << "\n" << rule;
  ASSERT_EQ(settings->sampler.rules.size(), 1u);
  EXPECT_EQ(settings->sampler.rules[0].workload_class, v1::WORKLOAD_CLASS_CRITICAL);
  EXPECT_EQ(settings->sampler.rules[0].mode_ceiling, v1::MODE_ADVISE);
}

TEST(AgentSettingsTest, DefaultsAreSafe) {
  const auto settings = ReadAgentSettings(Text(""));
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->modes.initial, v1::MODE_OBSERVE) << "the shipped mode";
  EXPECT_FALSE(settings->link.plaintext);
  EXPECT_TRUE(settings->metrics_listen.starts_with("127.0.0.1:"));
  EXPECT_FALSE(settings->host.empty()) << "the kernel's host name";
  EXPECT_TRUE(settings->migration.drivers.empty()) << "nothing is moved";
  for (const DiscoveryRule& rule : settings->sampler.rules) {
    EXPECT_EQ(std::count(rule.levers.begin(), rule.levers.end(), v1::LEVER_MIGRATE), 0) << rule.match;
  }
}

TEST(AgentSettingsTest, MigrationIsReadAndReachesTheMover) {
  const auto settings = ReadAgentSettings(Text(R"(
host: web-17
state_directory: /s
paths: {procfs: /p}
mode: {ceiling: advise}
virtual_machines: {libvirt_uri: qemu:///session}
migration: {drivers: [qemu, podman], bytes_per_second: 1e8, longest_move: 2m, most_at_a_time: 1}
discovery:
  rules:
    - match: a
      levers: [migrate]
)"));
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_THAT(settings->migration.drivers, ElementsAre("qemu", "podman"));
  EXPECT_EQ(settings->migration.bytes_per_second, 100'000'000u);
  EXPECT_EQ(settings->migration.longest_move, absl::Minutes(2));
  EXPECT_EQ(settings->migration.procfs, "/p");
  EXPECT_EQ(settings->migration.libvirt_uri, "qemu:///session");
  EXPECT_EQ(settings->migration.kubernetes_node, "web-17");
  EXPECT_EQ(settings->mover.most_at_a_time, 1);
  EXPECT_EQ(settings->mover.state_directory, "/s");
  EXPECT_EQ(settings->mover.procfs, "/p");
  EXPECT_EQ(settings->mover.mode_ceiling, v1::MODE_ADVISE);
  EXPECT_THAT(settings->sampler.rules[0].levers, ElementsAre(v1::LEVER_MIGRATE));
  EXPECT_THAT(ErrorOf("migration:\n  drivers: [qemu, vmotion]\n"),
              HasSubstr("agent.yaml:2: migration.drivers: 'vmotion' is not one of libvirt, qemu, podman, kubernetes, "
                        "command"));
  EXPECT_THAT(ErrorOf("migration:\n  drivers: [qemu, qemu]\n"), HasSubstr("'qemu' is there twice"));
  EXPECT_THAT(ErrorOf("migration: {first_port: 50000, last_port: 49999}\n"),
              HasSubstr("is beyond migration.last_port"));
}

TEST(AgentSettingsTest, PathsReachEveryoneWhoReadsThere) {
  const auto settings = ReadAgentSettings(Text("paths: {procfs: /p, sysfs: /s, cgroup: /c, run: /r, kubelet: /k}\n"));
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->procfs, "/p");
  EXPECT_EQ(settings->sampler.procfs, "/p");
  EXPECT_EQ(settings->counters.procfs, "/p");
  EXPECT_EQ(settings->counters.sysfs, "/s");
  EXPECT_EQ(settings->cgroup_root, "/c");
  EXPECT_EQ(settings->run_directory, "/r");
  EXPECT_EQ(settings->kubelet_directory, "/k");
}

TEST(AgentSettingsTest, RulesReplaceTheDefaultsAndCarryLabelsAndLevers) {
  const auto settings = ReadAgentSettings(Text(R"(
discovery:
  rules:
    - match: shop.slice/*.service
      application: "{parent}"
      tenant: shop
      class: critical
      priority: -5
      mode_ceiling: observe
      levers: [cpu_quota]
    - match: none/*
      levers: []
)"));
  ASSERT_TRUE(settings.ok()) << settings.status();
  ASSERT_EQ(settings->sampler.rules.size(), 2u);
  const DiscoveryRule& rule = settings->sampler.rules[0];
  EXPECT_EQ(rule.application, "{parent}");
  EXPECT_EQ(rule.tenant, "shop");
  EXPECT_EQ(rule.workload_class, v1::WORKLOAD_CLASS_CRITICAL);
  EXPECT_EQ(rule.priority, -5);
  EXPECT_EQ(rule.mode_ceiling, v1::MODE_OBSERVE);
  EXPECT_THAT(rule.levers, ElementsAre(v1::LEVER_CPU_QUOTA));
  EXPECT_TRUE(settings->sampler.rules[1].levers.empty()) << "an empty list forbids every lever";
}

TEST(AgentSettingsTest, MistakesAreNamedWithTheirLine) {
  EXPECT_THAT(ErrorOf("sample:\n  intervall: 1s\n"), HasSubstr("agent.yaml:2: sample.intervall: unknown key"));
  EXPECT_THAT(ErrorOf("mode:\n  initial: act\n"), HasSubstr("'act' is not one of observe, advise, enforce"));
  EXPECT_THAT(ErrorOf("discovery:\n  rules:\n    - match: a\n      levers: [cpu]\n"),
              HasSubstr("agent.yaml:4: discovery.rules[0].levers: 'cpu' is not one of cpu_pin, cpu_quota"));
  EXPECT_THAT(ErrorOf("discovery:\n  rules:\n    - kind: docker\n"),
              HasSubstr("discovery.rules[0].match: a rule needs a pattern"));
}

TEST(AgentSettingsTest, ARuleThatCanNeverHoldIsRefused) {
  EXPECT_THAT(ErrorOf("discovery:\n  rules:\n    - match: a/*\n    - match: /system.slice/x.service\n"),
              StartsWith("agent.yaml:4: discovery.rules[1].match: '/system.slice/x.service' can never match: patterns "
                         "are relative to the cgroup root; leave out the leading /"));
  EXPECT_THAT(ErrorOf("discovery:\n  rules:\n    - match: a/*\n    - match: b/*\n    - match: a/*\n"),
              StartsWith("agent.yaml:5: discovery.rules[2].match: 'a/*' is the pattern of discovery.rules[0] too"));
  // What one leaves for another is not guessed at.
  const auto settings = ReadAgentSettings(Text("discovery:\n  rules:\n    - match: a/**\n    - match: a/*\n"));
  EXPECT_TRUE(settings.ok()) << settings.status();
}

TEST(AgentSettingsTest, AddressesAreHostAndPort) {
  for (const char* address :
       {"nonsense", "truce.example", "127.0.0.1:", ":7443", "127.0.0.1:https", "127.0.0.1:70000", "127.0.0.1:-1"}) {
    EXPECT_THAT(ErrorOf(StrCat("controller:\n  address: '", address, "'\n")),
                HasSubstr(StrCat("agent.yaml:2: controller.address: '", address, "' is not host:port")));
    EXPECT_THAT(ErrorOf(StrCat("metrics:\n  listen: '", address, "'\n")),
                HasSubstr(StrCat("agent.yaml:2: metrics.listen: '", address, "' is not host:port")));
  }
  EXPECT_THAT(ErrorOf("controller: {address: ''}\n"), HasSubstr("controller.address: '' is not host:port"));
  for (const char* text :
       {"controller: {address: 'truce.example:7443'}\n", "controller: {address: '[::1]:7443'}\n",
        "controller: {enabled: false, address: ''}\n", "metrics: {listen: ''}\n", "metrics: {listen: '0.0.0.0:0'}\n"}) {
    const auto settings = ReadAgentSettings(Text(text));
    EXPECT_TRUE(settings.ok()) << text << settings.status();
  }
}

// Looked for before the agent starts, and said with its key, rather than logged at each connect.
TEST(AgentSettingsTest, CertificatesAreThereUnlessNobodyNeedsThem) {
  const test::Tree files({{"ca.crt", ""}, {"agent.crt", ""}, {"agent.key", ""}});
  AgentSettings whole = *ReadAgentSettings(Text("host: web-17\n"));
  whole.link.ca_file = files.Path("ca.crt");
  whole.link.certificate_file = files.Path("agent.crt");
  whole.link.key_file = files.Path("agent.key");
  EXPECT_TRUE(CheckControllerSecurity(whole).ok()) << CheckControllerSecurity(whole);
  for (const auto& [key, file] : {std::pair("controller.ca_file", &LinkOptions::ca_file),
                                  std::pair("controller.certificate_file", &LinkOptions::certificate_file),
                                  std::pair("controller.key_file", &LinkOptions::key_file)}) {
    AgentSettings settings = whole;
    settings.link.*file = files.Path("none");
    const std::string error(CheckControllerSecurity(settings).message());
    EXPECT_THAT(error, StartsWith(StrCat(key, ": ", files.Path("none"), " does not exist")));
    EXPECT_THAT(error, HasSubstr("trucectl certs issue DIR agent web-17"));
    settings.controller_enabled = false;
    EXPECT_TRUE(CheckControllerSecurity(settings).ok());
  }
}

// What the controller would refuse at each connect, said by --check-config with its key.
class AgentCertificateTest : public testing::Test {
 protected:
  AgentCertificateTest() {
    for (const std::string& pki : {pki_, directory_.Path("other")}) {
      EXPECT_TRUE(rpc::CreateAuthority(pki).ok());
      EXPECT_TRUE(rpc::IssueCertificate(pki, {"agent", "web-17", {}}).ok());
    }
    EXPECT_TRUE(rpc::IssueCertificate(pki_, {"agent", "web-18", {}}).ok());
    EXPECT_TRUE(rpc::IssueCertificate(pki_, {"operator", "web-17", {}}).ok());
    settings_.link.ca_file = pki_ + "/ca.crt";
    Show(pki_ + "/agent-web-17");
  }
  void Show(const std::string& stem) {
    settings_.link.certificate_file = stem + ".crt";
    settings_.link.key_file = stem + ".key";
  }
  std::string Error() const { return std::string(CheckControllerCertificate(settings_).message()); }

  const test::Tree directory_;
  const std::string pki_ = directory_.Path("pki");
  AgentSettings settings_ = *ReadAgentSettings(Text("host: web-17\n"));
};

TEST_F(AgentCertificateTest, ItIsThisHostsAndOfTheFleetsAuthority) {
  EXPECT_EQ(Error(), "");
  Show(pki_ + "/agent-web-18");
  EXPECT_EQ(Error(), StrCat("controller.certificate_file: ", pki_,
                            "/agent-web-18.crt is for agent web-18; this is agent web-17; issue one with trucectl "
                            "certs issue DIR agent web-17"));
  Show(pki_ + "/operator-web-17");
  EXPECT_THAT(Error(), HasSubstr("operator-web-17.crt is for operator web-17; this is agent web-17"));
  Show(directory_.Path("other/agent-web-17"));
  EXPECT_THAT(Error(), StartsWith(StrCat("controller.certificate_file: the CA in controller.ca_file, ", pki_,
                                         "/ca.crt, does not stand for ", directory_.Path("other/agent-web-17.crt"))));
  settings_.link.plaintext = true;
  EXPECT_EQ(Error(), "") << "nobody asks for it";
}

TEST_F(AgentCertificateTest, WhatIsNoCertificateOrAnothersKeyIsNamed) {
  settings_.link.key_file = pki_ + "/agent-web-18.key";
  EXPECT_THAT(Error(),
              AllOf(StartsWith("controller: "), HasSubstr("agent-web-18.key: not the key of the certificate")));
  Show(pki_ + "/agent-web-17");
  settings_.link.certificate_file = pki_ + "/agent-web-17.key";
  EXPECT_THAT(Error(), HasSubstr("agent-web-17.key: no PEM certificate in it"));
}

TEST(AgentSettingsTest, ModelsThatCantBeUsedAreToldWithTheirKey) {
  const test::Tree files({{"disks/vda.storage", "device: 5\n"}, {"file", ""}});
  const std::string pretrained = TRUCE_SOURCE_DIR "/models/pretrained/";
  AgentSettings sound = *ReadAgentSettings(Text(""));
  sound.model_file = pretrained + "interference.truce";
  sound.demand_model_file = pretrained + "demand.truce";
  EXPECT_THAT(ModelWarnings(sound), IsEmpty());

  AgentSettings missing = sound;
  missing.model_file = missing.demand_model_file = files.Path("none");
  missing.devices.models_directory = files.Path("file");
  EXPECT_THAT(ModelWarnings(missing),
              ElementsAre(AllOf(StartsWith("model.file: "), HasSubstr(files.Path("none"))),
                          AllOf(StartsWith("model.demand_file: "), HasSubstr(files.Path("none"))),
                          AllOf(HasSubstr("storage.models"), HasSubstr(files.Path("file")))));
  AgentSettings swapped = sound;
  std::swap(swapped.model_file, swapped.demand_model_file);
  swapped.devices.models_directory = files.Path("disks");
  EXPECT_THAT(ModelWarnings(swapped),
              ElementsAre(AllOf(StartsWith("model.file: "), HasSubstr("demand.truce is no model that can be used")),
                          AllOf(StartsWith("model.demand_file: "), HasSubstr("interference.truce is no model")),
                          HasSubstr("vda.storage:1")));

  missing.fuse.from = ScoreFrom::kEvidence;
  missing.foretell = false;
  missing.devices.models_directory = "";
  EXPECT_THAT(ModelWarnings(missing), IsEmpty()) << "nobody reads them";
}

TEST(AgentSettingsTest, PlainTextStaysOnLoopback) {
  AgentSettings settings =
      *ReadAgentSettings(Text("controller: {plaintext: true, address: 'truce.example:7443', ca_file: /none}\n"));
  EXPECT_THAT(std::string(CheckControllerSecurity(settings).message()),
              StartsWith("controller.plaintext: works on loopback only, and controller.address is truce.example:7443"));
  settings.controller_enabled = false;
  EXPECT_TRUE(CheckControllerSecurity(settings).ok());
  settings.controller_enabled = true;
  settings.link.address = "[::1]:7443";
  EXPECT_TRUE(CheckControllerSecurity(settings).ok()) << "nor are certificates looked for";
}

TEST(AgentSettingsTest, TheStateDirectoryIsSomewhere) {
  EXPECT_THAT(ErrorOf("state_directory: ''\n"), HasSubstr("agent.yaml:1: state_directory: must be an absolute"));
  EXPECT_THAT(ErrorOf("state_directory: state\n"),
              HasSubstr("agent.yaml:1: state_directory: must be an absolute path, and 'state' does not begin with /"));
}

TEST(AgentSettingsTest, TheStateDirectoryIsNoFile) {
  const test::Tree files({{"file", ""}});
  AgentSettings settings = *ReadAgentSettings(Text(""));
  for (const char* there : {"", "none/state"}) {
    settings.actuator.state_directory = files.Path(there);
    EXPECT_TRUE(CheckPaths(settings).ok()) << CheckPaths(settings);
  }
  for (const char* blocked : {"file", "file/state"}) {
    settings.actuator.state_directory = files.Path(blocked);
    EXPECT_EQ(CheckPaths(settings), absl::InvalidArgumentError(StrCat("state_directory: ", files.Path("file"),
                                                                      " is no directory; name another one")));
  }
}

TEST(AgentSettingsTest, ReportsComeOftenEnoughToRenewLeases) {
  const auto slower = ReadAgentSettings(Text("score: {interval: 10s}\nguard: {help_window: 30s}\n"));
  ASSERT_TRUE(slower.ok());
  EXPECT_EQ(slower->actuator.verdict_age, absl::Seconds(15)) << "and five samples of a second";
  EXPECT_THAT(ErrorOf("score: {interval: 11s}\nguard: {help_window: 1m}\n"), HasSubstr("agent.yaml:1: score.interval"));
  EXPECT_THAT(ErrorOf("sample: {interval: 11s}\n"), HasSubstr("agent.yaml:1: sample.interval"));
}

TEST(AgentSettingsTest, RestoreReadsWhereThingsAreWhateverElseIsWrong) {
  const ConfigSource broken = Text(
      "nonsense: 1\nsample: {interval: soon}\nmode: {initial: act}\n"
      "paths: {procfs: /p, sysfs: /y, cgroup: /c}\nstate_directory: /s\n"
      "virtual_machines: {libvirt_uri: qemu:///session}\n");
  ASSERT_FALSE(ReadAgentSettings(broken).ok());
  const AgentSettings settings = ReadRestoreSettings(broken);
  EXPECT_EQ(settings.procfs, "/p") << "machines are found there";
  EXPECT_EQ(settings.sysfs, "/y");
  EXPECT_EQ(settings.cgroup_root, "/c");
  EXPECT_EQ(settings.actuator.state_directory, "/s");
  EXPECT_EQ(settings.libvirt_uri, "qemu:///session");
  const AgentSettings standard = ReadRestoreSettings(Text("nonsense: 1\n"));
  EXPECT_EQ(standard.cgroup_root, ReadAgentSettings(Text(""))->cgroup_root);
  EXPECT_EQ(standard.actuator.state_directory, ReadAgentSettings(Text(""))->actuator.state_directory);
  EXPECT_EQ(standard.libvirt_uri, ReadAgentSettings(Text(""))->libvirt_uri);
}

TEST(AgentSettingsTest, AHostsNameCanBeReadAndCertified) {
  for (const char* name : {"web-1.example_net", "\"fe80::1\""}) {
    const auto settings = ReadAgentSettings(Text(StrCat("host: ", name, "\n")));
    EXPECT_TRUE(settings.ok()) << settings.status();
  }
  for (const char* name : {"\"a b\\a\"", "web/1", "\"w\u00e9b\"", "\"a,b\""}) {
    EXPECT_THAT(ErrorOf(StrCat("host: ", name, "\n")),
                HasSubstr("agent.yaml:1: host: is a name of at most 253 letters"));
  }
  EXPECT_THAT(ErrorOf(StrCat("host: ", std::string(254, 'a'), "\n")), HasSubstr("agent.yaml:1: host: "));
  EXPECT_EQ(ReadAgentSettings(Text("fault_domain: rack-7\n"))->fault_domain, "rack-7");
  EXPECT_THAT(ErrorOf("fault_domain: \"rack 7\"\n"), HasSubstr("agent.yaml:1: fault_domain: is a name"));
}

TEST(AgentSettingsTest, ValuesThatContradictEachOtherAreRefused) {
  EXPECT_THAT(ErrorOf("evidence:\n  recent_samples: 3\n  least_outliers: 4\n"),
              HasSubstr("agent.yaml:3: evidence.least_outliers: is larger than evidence.recent_samples"));
  EXPECT_THAT(ErrorOf("sample:\n  interval: 10s\nscore:\n  interval: 2s\n"),
              HasSubstr("agent.yaml:4: score.interval: is shorter than sample.interval"));
  EXPECT_THAT(ErrorOf("mode:\n  ceiling: observe\n  initial: enforce\n"),
              HasSubstr("agent.yaml:3: mode.initial: is beyond mode.ceiling"));
  // Verdicts of before the action would be taken for its effect.
  EXPECT_THAT(ErrorOf("guard:\n  help_window: 19s\n"),
              HasSubstr("agent.yaml:2: guard.help_window: is too short to see whether an action helped; with this "
                        "score.interval and evidence.recent_samples it must be at least 20s"));
  EXPECT_THAT(ErrorOf("controller:\n  first_backoff: 2s\n  longest_backoff: 1s\n"),
              HasSubstr("agent.yaml:2: controller.first_backoff: is longer than controller.longest_backoff"));
  // Found although the value that makes it wrong is a default.
  EXPECT_THAT(ErrorOf("score: {interval: 8s}\n"), HasSubstr("guard.help_window: is too short"));
  EXPECT_THAT(ErrorOf("sample:\n  interval: 10s\n"), HasSubstr("score.interval: is shorter than sample.interval"));
}

}  // namespace
}  // namespace truce::agent
