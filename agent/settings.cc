#include "agent/settings.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "src/base/directory.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/rpc/own_certificate.h"
#include "src/rpc/security.h"

namespace truce::agent {
namespace {

constexpr const char* kStateDirectory = "/var/lib/truce-agent";
const std::vector<std::pair<std::string, v1::Mode>> kModes = {
    {"observe", v1::MODE_OBSERVE}, {"advise", v1::MODE_ADVISE}, {"enforce", v1::MODE_ENFORCE}};
const std::vector<std::pair<std::string, v1::WorkloadClass>> kClasses = {
    {"critical", v1::WORKLOAD_CLASS_CRITICAL},
    {"standard", v1::WORKLOAD_CLASS_STANDARD},
    {"best_effort", v1::WORKLOAD_CLASS_BEST_EFFORT}};

void ReadRule(ConfigReader& reader, DiscoveryRule* rule) {
  reader.Read("match", &rule->match);
  reader.Read("ignore", &rule->ignore);
  reader.Read("kind", &rule->kind);
  reader.Read("application", &rule->application);
  reader.Read("tenant", &rule->tenant);
  reader.ReadEnum("class", &rule->workload_class, kClasses);
  reader.Read("priority", &rule->priority);
  reader.ReadEnum("mode_ceiling", &rule->mode_ceiling, kModes);
  std::vector<std::string> levers;
  for (const v1::Lever lever : rule->levers) levers.push_back(EnumWord(lever));
  reader.Read("levers", &levers);
  rule->levers.clear();
  for (const std::string& word : levers) {
    const auto lever = EnumFromWord<v1::Lever>(word);
    if (lever == v1::LEVER_UNSPECIFIED) {
      reader.Error("levers", StrCat("'", word, "' is not one of ", absl::StrJoin(EnumWords<v1::Lever>(), ", ")));
    } else {
      rule->levers.push_back(lever);
    }
  }
  if (rule->match.empty()) reader.Error("match", "a rule needs a pattern, such as system.slice/*.service");
  // As /proc/PID/cgroup writes it; its workloads would silently get what the rules below, or nobody, says of them.
  if (rule->match.starts_with('/')) {
    reader.Error("match",
                 StrCat("'", rule->match,
                        "' can never match: patterns are relative to the cgroup root; leave out the leading /"));
  }
}

// Complains of a rule that is never reached. Whether one pattern covers another is not told; a rule for all below
// rules for some is usual.
void CheckReached(ConfigReader& reader, const std::vector<DiscoveryRule>& earlier, const DiscoveryRule& rule) {
  for (size_t i = 0; i < earlier.size(); ++i) {
    if (rule.match.empty() || earlier[i].match != rule.match) continue;
    reader.Error("match", StrCat("'", rule.match, "' is the pattern of discovery.rules[", i,
                                 "] too, and the first rule that matches holds, so this one is never reached; make "
                                 "them one"));
    return;
  }
}

void ReadWatching(ConfigReader& reader, AgentSettings* settings) {
  const Bounds<absl::Duration> tick{absl::Milliseconds(100), absl::Seconds(10)};
  reader.Read("sample.interval", &settings->sample_interval, tick);
  reader.Read("sample.slow_every", &settings->sampler.slow_every, {1, 60});
  // Leases (30 s by default) are renewed in answer to reports, and there is one report per score.
  reader.Read("score.interval", &settings->score_interval, {absl::Milliseconds(500), absl::Seconds(10)});
  reader.ReadEnum("score.from", &settings->fuse.from,
                  {{"both", ScoreFrom::kBoth}, {"evidence", ScoreFrom::kEvidence}, {"model", ScoreFrom::kModel}});
  reader.Read("model.file", &settings->model_file);
  reader.Read("storage.models", &settings->devices.models_directory);
  reader.Read("model.demand_file", &settings->demand_model_file);
  reader.Read("model.accept_sent", &settings->accept_sent_models);
  reader.Read("model.least_confidence", &settings->fuse.least_confidence, {0.0, 1.0});
  reader.Read("forecast.enabled", &settings->foretell);
  reader.Read("forecast.step", &settings->demand.step, {absl::Seconds(1), absl::Minutes(10)});
  reader.Read("forecast.widened", &settings->demand.widened, {absl::Seconds(10), absl::Hours(24)});
  reader.Read("discovery.most_workloads", &settings->sampler.most_workloads, {1, 20000});
  reader.ReadList(
      "discovery.rules", [settings] { settings->sampler.rules.clear(); },
      [settings](ConfigReader& element) {
        DiscoveryRule rule;
        ReadRule(element, &rule);
        CheckReached(element, settings->sampler.rules, rule);
        settings->sampler.rules.push_back(rule);
      });
  reader.Read("fingerprint.window_samples", &settings->profiler.window_samples, {10, 3600});
  reader.Read("fingerprint.least_samples", &settings->profiler.least_samples, {5, 3600});
  reader.Read("fingerprint.learn_sigmas", &settings->profiler.learn_sigmas, {1.0, 10.0});
  reader.Read("fingerprint.adapt_after_samples", &settings->profiler.adapt_after_samples, {60, 1'000'000});
  reader.Read("fingerprint.baseline_memory_samples", &settings->profiler.baseline_memory, {10.0, 1e6});
  EvidenceOptions& evidence = settings->evidence;
  reader.Read("evidence.recent_samples", &evidence.recent_samples, {1, 600});
  reader.Read("evidence.outlier_sigmas", &evidence.outlier_sigmas, {0.5, 10.0});
  reader.Read("evidence.least_outliers", &evidence.least_outliers, {1, 600});
  reader.Read("evidence.least_correlation", &evidence.least_correlation, {0.0, 1.0});
  reader.Read("evidence.slowdown_bound_ratio", &evidence.slowdown_bound, {0.001, 10.0});
  reader.Read("evidence.least_victim_cores", &evidence.least_victim_cores, {0.0, 1024.0});
  reader.Read("evidence.least_suspect_cores", &evidence.least_suspect_cores, {0.0, 1024.0});
  reader.Read("evidence.most_suspects", &evidence.most_suspects, {1, 20000});
  reader.Read("evidence.own_quota_ratio", &evidence.own_quota_ratio, {0.0, 1.0});
  reader.Read("evidence.steal_ratio", &evidence.steal_ratio, {0.0, 1.0});
  reader.Read("evidence.report_floor", &evidence.report_floor, {0.0, 100.0});
  reader.Read("pmu.enabled", &settings->counters.enabled);
  reader.Read("pmu.budget_ratio", &settings->counters.budget_ratio, {0.0, 0.5});
  reader.Read("pmu.most_counted", &settings->counters.max_counted, {0, 20000});
}

void ReadActing(ConfigReader& reader, AgentSettings* settings) {
  reader.ReadEnum("mode.initial", &settings->modes.initial, kModes);
  reader.ReadEnum("mode.ceiling", &settings->modes.ceiling, kModes);
  ActuatorOptions& guard = settings->actuator;
  reader.Read("guard.floor_cores", &guard.floors.cores, {0.01, 1024.0});
  reader.Read("guard.floor_memory_bytes", &guard.floors.memory_bytes, {1e6, 1e15});
  reader.Read("guard.floor_disk_bytes_per_second", &guard.floors.disk_bytes_per_second, {1e3, 1e15});
  reader.Read("guard.floor_disk_operations_per_second", &guard.floors.disk_operations_per_second, {1.0, 1e9});
  reader.Read("guard.floor_network_bytes_per_second", &guard.floors.network_bytes_per_second, {1e3, 1e12});
  reader.Read("guard.floor_cache_ratio", &guard.floors.cache_ratio, {0.01, 1.0});
  reader.Read("guard.floor_memory_bandwidth_ratio", &guard.floors.memory_bandwidth_ratio, {0.01, 1.0});
  reader.Read("guard.floor_memory_bandwidth_bytes_per_second", &guard.floors.memory_bandwidth_bytes_per_second,
              {1e8, 1e13});
  reader.Read("guard.changes_per_minute", &guard.changes_per_minute, {0, 10000});
  reader.Read("guard.longest_lease", &guard.longest_lease, {absl::Seconds(1), absl::Hours(1)});
  reader.Read("guard.help_window", &guard.help_window, {absl::Seconds(5), absl::Hours(1)});
  reader.Read("guard.help_ratio", &guard.help_ratio, {0.0, 1.0});
  reader.Read("guard.futile_backoff", &guard.futile_backoff, {absl::Seconds(1), absl::Hours(24)});
  reader.Read("guard.reapply_backoff", &guard.reapply_backoff, {absl::Seconds(1), absl::Hours(1)});
  reader.Read("guard.reapply_limit", &guard.reapply_limit, {0, 100});
  reader.Read("virtual_machines.libvirt_uri", &settings->libvirt_uri);
}

void ReadMigration(ConfigReader& reader, AgentSettings* settings) {
  MigrationSettings& migration = settings->migration;
  reader.Read("migration.drivers", &migration.drivers);
  reader.Read("migration.address", &migration.address);
  reader.Read("migration.first_port", &migration.first_port, {1, 65535});
  reader.Read("migration.last_port", &migration.last_port, {1, 65535});
  auto bytes_per_second = static_cast<double>(migration.bytes_per_second);
  reader.Read("migration.bytes_per_second", &bytes_per_second, {0.0, 1e12});
  migration.bytes_per_second = static_cast<uint64_t>(bytes_per_second);
  reader.Read("migration.longest_downtime", &migration.longest_downtime, {absl::Milliseconds(1), absl::Minutes(10)});
  // The controller waits for 15 minutes.
  reader.Read("migration.longest_move", &migration.longest_move, {absl::Seconds(1), absl::Minutes(14)});
  reader.Read("migration.most_at_a_time", &settings->mover.most_at_a_time, {0, 64});
  reader.Read("migration.least_free_memory_ratio", &settings->mover.least_free_memory_ratio, {0.0, 1.0});
  reader.Read("migration.qemu_start_command", &migration.qemu_start_command);
  reader.Read("migration.command", &migration.command);
  reader.Read("migration.podman_directory", &migration.podman_directory);
  reader.Read("migration.podman_program", &migration.podman_program);
  reader.Read("migration.libvirt_peer_uri", &migration.libvirt_peer_uri);
  reader.Read("migration.kubernetes_api", &migration.kubernetes_api);
  reader.Read("migration.kubernetes_node", &migration.kubernetes_node);
  reader.Read("migration.kubernetes_token_file", &migration.kubernetes_token_file);
  reader.Read("migration.kubernetes_ca_file", &migration.kubernetes_ca_file);
  if (const auto drivers = MakeMigrationDrivers(migration); !drivers.ok()) {
    reader.Error("migration.drivers", StdView(drivers.status().message()));
  }
  if (migration.first_port > migration.last_port) {
    reader.Error("migration.first_port", "is beyond migration.last_port");
  }
}

void ReadController(ConfigReader& reader, AgentSettings* settings) {
  LinkOptions& link = settings->link;
  reader.Read("controller.enabled", &settings->controller_enabled);
  reader.Read("controller.address", &link.address);
  reader.Read("controller.plaintext", &link.plaintext);
  reader.Read("controller.ca_file", &link.ca_file);
  reader.Read("controller.certificate_file", &link.certificate_file);
  reader.Read("controller.key_file", &link.key_file);
  reader.Read("controller.first_backoff", &link.first_backoff, {absl::Milliseconds(50), absl::Minutes(1)});
  reader.Read("controller.longest_backoff", &link.longest_backoff, {absl::Milliseconds(100), absl::Hours(1)});
  if (link.first_backoff > link.longest_backoff) {
    reader.Error("controller.first_backoff", "is longer than controller.longest_backoff");
  }
  reader.Read("controller.spooled_reports", &link.spooled_reports, {1, 10000});
  reader.Read("controller.spooled_receipts", &link.spooled_receipts, {1, 100000});
}

// Complains of a name that can't be told apart on a screen, or that no certificate can carry.
void CheckName(ConfigReader& reader, const std::string& key, const std::string& name) {
  const bool good = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_' || c == ':';
  });
  if (!good || name.size() > 253) {
    reader.Error(key, "is a name of at most 253 letters, digits, dots, hyphens, underscores and colons");
  }
}
}  // namespace

AgentSettings ReadRestoreSettings(const ConfigSource& source) {
  AgentSettings settings;
  settings.actuator.state_directory = kStateDirectory;
  ConfigReader reader(source);
  reader.Read("paths.procfs", &settings.procfs);
  reader.Read("paths.sysfs", &settings.sysfs);
  reader.Read("paths.cgroup", &settings.cgroup_root);
  reader.Read("paths.run", &settings.run_directory);
  reader.Read("state_directory", &settings.actuator.state_directory);
  reader.Read("virtual_machines.libvirt_uri", &settings.libvirt_uri);
  return settings;
}

absl::Status CheckControllerSecurity(const AgentSettings& settings) {
  const LinkOptions& link = settings.link;
  if (!settings.controller_enabled) return absl::OkStatus();
  if (link.plaintext) {
    if (rpc::IsLoopback(link.address)) return absl::OkStatus();
    return absl::InvalidArgumentError(StrCat("controller.plaintext: works on loopback only, and controller.address is ",
                                             link.address, "; use TLS, or set controller.enabled to false"));
  }
  return rpc::RequireFiles({{"controller.ca_file", link.ca_file},
                            {"controller.certificate_file", link.certificate_file},
                            {"controller.key_file", link.key_file}},
                           StrCat("make it with trucectl certs issue DIR agent ", settings.host,
                                  " and copy it here, or set controller.enabled to false"));
}

absl::Status CheckControllerCertificate(const AgentSettings& settings) {
  const LinkOptions& link = settings.link;
  if (!settings.controller_enabled || link.plaintext) return absl::OkStatus();
  const rpc::Security security{false, link.ca_file, link.certificate_file, link.key_file};
  const auto credentials = rpc::ClientCredentials(security, link.address);
  if (!credentials.ok() && !absl::IsPermissionDenied(credentials.status())) {
    return absl::InvalidArgumentError(StrCat("controller: ", StdView(credentials.status().message())));
  }
  return rpc::CheckOwnCertificate(security, {rpc::Role::kAgent, settings.host}, "controller.");
}

absl::Status CheckPaths(const AgentSettings& settings) {
  const auto problem = NoDirectory(settings.actuator.state_directory);
  return problem ? absl::InvalidArgumentError(StrCat("state_directory: ", *problem)) : absl::OkStatus();
}

absl::StatusOr<AgentSettings> ReadAgentSettings(const ConfigSource& source, std::set<std::string>* known_keys) {
  AgentSettings settings;
  settings.sampler.rules = DefaultDiscoveryRules();
  settings.actuator.state_directory = kStateDirectory;
  settings.link.address = "127.0.0.1:7443";
  settings.link.ca_file = "/etc/truce/pki/ca.crt";
  settings.link.certificate_file = "/etc/truce/pki/agent.crt";
  settings.link.key_file = "/etc/truce/pki/agent.key";

  ConfigReader reader(source);
  reader.Read("host", &settings.host);
  CheckName(reader, "host", settings.host);
  reader.Read("fault_domain", &settings.fault_domain);
  CheckName(reader, "fault_domain", settings.fault_domain);
  reader.Read("log.level", &settings.log_level);
  reader.Read("paths.procfs", &settings.procfs);
  reader.Read("paths.sysfs", &settings.sysfs);
  reader.Read("paths.cgroup", &settings.cgroup_root);
  reader.Read("paths.run", &settings.run_directory);
  reader.Read("paths.kubelet", &settings.kubelet_directory);
  reader.Read("state_directory", &settings.actuator.state_directory);
  reader.Read("metrics.listen", &settings.metrics_listen);
  ReadWatching(reader, &settings);
  ReadActing(reader, &settings);
  ReadMigration(reader, &settings);
  ReadController(reader, &settings);
  if (settings.evidence.least_outliers > settings.evidence.recent_samples) {
    reader.Error("evidence.least_outliers",
                 "is larger than evidence.recent_samples, so nothing could ever be an outlier");
  }
  if (settings.score_interval < settings.sample_interval) {
    reader.Error("score.interval", "is shorter than sample.interval");
  }
  // The help check looks at the second half of its window, and must find verdicts there that were made after the
  // action.
  const absl::Duration verdict_age = settings.actuator.verdict_age =
      settings.score_interval + settings.evidence.recent_samples * settings.sample_interval;
  if (settings.actuator.help_window < 2 * verdict_age) {
    reader.Error("guard.help_window",
                 StrCat("is too short to see whether an action helped; with this score.interval and "
                        "evidence.recent_samples it must be at least ",
                        absl::FormatDuration(2 * verdict_age)));
  }
  // A relative one is another one wherever the agent, or its restore, is started.
  if (!settings.actuator.state_directory.starts_with('/')) {
    reader.Error("state_directory", StrCat("must be an absolute path, and '", settings.actuator.state_directory,
                                           "' does not begin with /"));
  }
  if (!settings.metrics_listen.empty()) reader.CheckAddress("metrics.listen", settings.metrics_listen);
  if (settings.controller_enabled || !settings.link.address.empty()) {
    reader.CheckAddress("controller.address", settings.link.address);
  }
  if (settings.modes.initial > settings.modes.ceiling) reader.Error("mode.initial", "is beyond mode.ceiling");
  if (known_keys != nullptr) *known_keys = reader.known_keys();
  TRUCE_RETURN_IF_ERROR(reader.Finish());

  if (settings.host.empty()) {
    char name[256] = {};
    if (gethostname(name, sizeof name - 1) != 0) return ErrnoStatus(errno, "asking for the host's name; set host");
    settings.host = name;
  }
  settings.demand.sample_interval = settings.sample_interval;
  settings.sampler.procfs = settings.procfs;
  settings.devices.procfs = settings.procfs;
  settings.devices.sysfs = settings.sysfs;
  settings.profiler.slow_every = settings.sampler.slow_every;
  settings.profiler.busy_cores = settings.evidence.least_suspect_cores;
  settings.fuse.report_floor = settings.evidence.report_floor;
  settings.fuse.least_samples = static_cast<uint64_t>(settings.profiler.least_samples);
  settings.counters.procfs = settings.procfs;
  settings.counters.sysfs = settings.sysfs;
  settings.migration.procfs = settings.procfs;
  settings.migration.cgroup_root = settings.cgroup_root;
  settings.migration.run_directory = settings.run_directory;
  settings.migration.libvirt_uri = settings.libvirt_uri;
  if (settings.migration.kubernetes_node.empty()) settings.migration.kubernetes_node = settings.host;
  settings.mover.state_directory = settings.actuator.state_directory;
  settings.mover.procfs = settings.procfs;
  settings.mover.mode_ceiling = settings.modes.ceiling;
  return settings;
}

}  // namespace truce::agent
