#include "controller/settings.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "controller/plan/policy.h"
#include "src/base/directory.h"
#include "src/base/shipped.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/rpc/own_certificate.h"
#include "src/rpc/security.h"

namespace truce::controller {
namespace {

// Complains of `key` when it is also where `other` listens: the second of them could not begin. Port 0 is any.
void CheckApart(ConfigReader& reader, std::string_view key, const std::string& address, std::string_view other,
                const std::string& others) {
  if (address != others || address.empty() || address.ends_with(":0")) return;
  reader.Error(key, StrCat(address, " is where ", other, " is too; give each a port of its own"));
}

void ReadPolicy(ConfigReader& reader, v1::Policy* policy) {
  double trigger = policy->thresholds(0).trigger_score();
  double restore = policy->thresholds(0).restore_score();
  reader.Read("policy.trigger_score", &trigger, {.minimum = 0.1, .maximum = 100});
  reader.Read("policy.restore_score", &restore, {.minimum = 0, .maximum = 100});
  policy->mutable_thresholds(0)->set_trigger_score(trigger);
  policy->mutable_thresholds(0)->set_restore_score(restore);
  if (restore >= trigger)
    reader.Error("policy.restore_score", StrCat(restore, " is not below the trigger score ", trigger));

  const auto number = [&](const char* key, double current, void (v1::Policy::*set)(double), double minimum,
                          double maximum) {
    reader.Read(key, &current, {.minimum = minimum, .maximum = maximum});
    (policy->*set)(current);
  };
  number("policy.minimum_confidence", policy->minimum_confidence(), &v1::Policy::set_minimum_confidence, 0, 1);
  number("policy.deadband_ratio", policy->deadband_ratio(), &v1::Policy::set_deadband_ratio, 0, 0.5);
  number("policy.quota_cut_ratio", policy->quota_cut_ratio(), &v1::Policy::set_quota_cut_ratio, 0.1, 0.95);
  number("policy.escalation_severity_ratio", policy->escalation_severity_ratio(),
         &v1::Policy::set_escalation_severity_ratio, 0.01, 100);
  number("policy.quota_release_ratio", policy->quota_release_ratio(), &v1::Policy::set_quota_release_ratio, 0.01, 1);
  number("policy.floor_cores", policy->floor_cores(), &v1::Policy::set_floor_cores, 0.01, 1024);
  number("policy.fleet_brake_ratio", policy->fleet_brake_ratio(), &v1::Policy::set_fleet_brake_ratio, 0.001, 1);

  const auto count = [&](const char* key, uint32_t current, void (v1::Policy::*set)(uint32_t)) {
    int value = static_cast<int>(current);
    reader.Read(key, &value, {.minimum = 0, .maximum = 100'000});
    (policy->*set)(static_cast<uint32_t>(value));
  };
  count("policy.host_actions_per_minute", policy->host_actions_per_minute(), &v1::Policy::set_host_actions_per_minute);
  count("policy.fleet_actions_per_minute", policy->fleet_actions_per_minute(),
        &v1::Policy::set_fleet_actions_per_minute);
  count("policy.host_migrations_per_hour", policy->host_migrations_per_hour(),
        &v1::Policy::set_host_migrations_per_hour);
  count("policy.fleet_migrations_per_hour", policy->fleet_migrations_per_hour(),
        &v1::Policy::set_fleet_migrations_per_hour);
  v1::Mode migration_mode = policy->migration_mode();
  reader.ReadEnum("policy.migration_mode", &migration_mode,
                  {{"observe", v1::MODE_OBSERVE}, {"advise", v1::MODE_ADVISE}, {"enforce", v1::MODE_ENFORCE}});
  policy->set_migration_mode(migration_mode);

  const auto duration = [&](const char* key, google::protobuf::Duration* target, absl::Duration minimum,
                            absl::Duration maximum) {
    absl::Duration value = ToDuration(*target);
    reader.Read(key, &value, {.minimum = minimum, .maximum = maximum});
    SetDuration(value, target);
  };
  duration("policy.minimum_dwell", policy->mutable_minimum_dwell(), absl::Seconds(1), absl::Minutes(30));
  duration("policy.step_interval", policy->mutable_step_interval(), absl::Seconds(1), absl::Minutes(10));
  duration("policy.lease_time_to_live", policy->mutable_lease_time_to_live(), absl::Seconds(5), absl::Minutes(5));
}

void ReadRollout(ConfigReader& reader, Settings* settings) {
  RolloutOptions& rollout = settings->rollout;
  reader.Read("models.directory", &settings->model_directory);
  reader.Read("models.canary_ratio", &rollout.canary_ratio, {.minimum = 0.0001, .maximum = 1});
  reader.Read("models.canary_time", &rollout.canary_time,
              {.minimum = absl::Minutes(10), .maximum = absl::Hours(7 * 24)});
  int least_forecasts = static_cast<int>(rollout.least_forecasts);
  reader.Read("models.least_forecasts", &least_forecasts, {.minimum = 1, .maximum = 1'000'000'000});
  rollout.least_forecasts = static_cast<uint64_t>(least_forecasts);
  reader.Read("models.significance_ratio", &rollout.significance, {.minimum = 1e-6, .maximum = 0.2});
  reader.Read("models.watch_time", &rollout.watch_time,
              {.minimum = absl::Minutes(10), .maximum = absl::Hours(30 * 24)});
}

void ReadRetraining(ConfigReader& reader, Settings* settings) {
  RetrainerOptions& retrainer = settings->retraining.retrainer;
  RetrainingScheduleOptions& schedule = settings->retraining.schedule;
  reader.Read("retraining.enabled", &settings->retrain);
  reader.Read("retraining.interval", &schedule.interval, {.minimum = absl::Hours(1), .maximum = absl::Hours(24 * 365)});
  reader.Read("retraining.least_history", &schedule.least_history,
              {.minimum = absl::Hours(4), .maximum = absl::Hours(24)});
  reader.Read("retraining.program", &retrainer.program);
  reader.Read("retraining.directory", &retrainer.directory);
  reader.Read("retraining.memory_mib", &settings->retraining_memory_mib, {.minimum = 1024, .maximum = 1 << 20});
  reader.Read("retraining.time_limit", &retrainer.time_limit,
              {.minimum = absl::Minutes(1), .maximum = absl::Hours(24)});
  retrainer.memory_bytes = static_cast<uint64_t>(settings->retraining_memory_mib) << 20;
}

// What is in the way of the store being in `file`, or nullopt.
std::optional<std::string> NoStore(const std::string& file) {
  if (file == ":memory:") return std::nullopt;
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) return StrCat(file, " is a directory; name a file in it");
  return NoDirectory(std::filesystem::absolute(file).parent_path().string());
}

// The same of the trainer; `warnings` get what may still come.
std::optional<std::string> NoProgram(const std::string& program, std::vector<std::string>* warnings) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(program, error);
  constexpr auto kAnyExecute =
      std::filesystem::perms::owner_exec | std::filesystem::perms::group_exec | std::filesystem::perms::others_exec;
  const bool is_there = status.type() != std::filesystem::file_type::not_found;
  const bool is_known = status.type() != std::filesystem::file_type::none;
  if (is_there && is_known && !std::filesystem::is_regular_file(status)) {
    return StrCat(program, " is no program; name truce-lab");
  }
  if (!is_there || (is_known && (status.permissions() & kAnyExecute) == std::filesystem::perms::none)) {
    warnings->push_back(StrCat("retraining.program: ", program, is_there ? " can't be executed" : " is not there",
                               "; until that is mended the demand model is not retrained (install truce-lab, or set "
                               "retraining.enabled to false)"));
  }
  return std::nullopt;
}

}  // namespace

Settings::Settings() : policy(DefaultPolicy()) {}

absl::Status ReadSettings(const ConfigSource& source, Settings* settings, std::set<std::string>* known_keys) {
  ConfigReader reader(source);
  reader.Read("listen", &settings->listen);
  reader.Read("http.listen", &settings->http_listen);
  reader.Read("placement.reserve_ratio", &settings->reserve_ratio, {0.0, 0.9});
  reader.ReadEnum("placement.set_aside", &settings->set_aside,
                  std::vector<std::pair<std::string, SetAside>>{{"peak", SetAside::kPeak},
                                                                {"p50", SetAside::kP50},
                                                                {"p90", SetAside::kP90},
                                                                {"p95", SetAside::kP95},
                                                                {"p99", SetAside::kP99}});
  AdvisorOptions& advisor = settings->advisor;
  reader.Read("placement.advice_interval", &advisor.interval, {absl::ZeroDuration(), absl::Hours(24)});
  if (advisor.interval > absl::ZeroDuration() && advisor.interval < absl::Seconds(1)) {
    reader.Error("placement.advice_interval", "must be 0s, which switches advice off, or 1s at least");
  }
  reader.Read("placement.advice_time", &advisor.advise.time, {absl::Milliseconds(100), absl::Minutes(10)});
  reader.Read("placement.advice_moves", &advisor.advise.most_moves, {1, 100000});
  reader.Read("placement.host_cost", &advisor.advise.host_cost, {0.0, 1000.0});
  reader.Read("extender.listen", &settings->extender_listen);
  reader.Read("tls.plaintext", &settings->plaintext);
  reader.Read("tls.ca_file", &settings->ca_file);
  reader.Read("tls.certificate_file", &settings->certificate_file);
  reader.Read("tls.key_file", &settings->key_file);
  reader.Read("store.file", &settings->store.file);
  reader.Read("store.queue_capacity", &settings->store.queue_capacity, {.minimum = 100, .maximum = 10'000'000});
  reader.Read("store.retention_age", &settings->store.retention_age,
              {.minimum = absl::Minutes(1), .maximum = absl::Hours(24 * 3650)});
  reader.Read("store.retention_rows", &settings->store.retention_rows, {.minimum = 1'000, .maximum = 1'000'000'000});
  reader.Read("store.maximum_mib", &settings->store_maximum_mib, {.minimum = 0, .maximum = 1 << 20});
  reader.Read("history.enabled", &settings->history);
  ReadRetraining(reader, settings);
  reader.Read("report.interval", &settings->report_interval,
              {.minimum = absl::Seconds(1), .maximum = absl::Minutes(1)});
  reader.Read("report.missed_limit", &settings->missed_report_limit, {.minimum = 1, .maximum = 100});
  reader.Read("limits.workloads_per_host", &settings->workloads_per_host, {.minimum = 1, .maximum = 1'000'000});
  reader.Read("limits.message_mib", &settings->message_mib, {.minimum = 1, .maximum = 1024});
  reader.ReadEnum("log.level", &settings->log_level,
                  std::vector<std::pair<std::string, std::string>>{{"trace", "trace"},
                                                                   {"debug", "debug"},
                                                                   {"info", "info"},
                                                                   {"warn", "warn"},
                                                                   {"error", "error"},
                                                                   {"off", "off"}});
  ReadPolicy(reader, &settings->policy);
  ReadRollout(reader, settings);
  reader.CheckAddress("listen", settings->listen);
  if (!settings->http_listen.empty()) reader.CheckAddress("http.listen", settings->http_listen);
  if (!settings->extender_listen.empty()) reader.CheckAddress("extender.listen", settings->extender_listen);
  CheckApart(reader, "http.listen", settings->http_listen, "listen", settings->listen);
  CheckApart(reader, "extender.listen", settings->extender_listen, "listen", settings->listen);
  CheckApart(reader, "extender.listen", settings->extender_listen, "http.listen", settings->http_listen);
  // SQLite would take it for a temporary database.
  if (settings->store.file.empty()) reader.Error("store.file", "must not be empty");
  settings->store.maximum_bytes = static_cast<int64_t>(settings->store_maximum_mib) << 20;
  if (known_keys != nullptr) *known_keys = reader.known_keys();
  return reader.Finish();
}

std::optional<RetrainingOptions> RetrainingOf(const Settings& settings) {
  RetrainingOptions options = settings.retraining;
  if (options.retrainer.program.empty()) options.retrainer.program = OwnDirectory() + "/truce-lab";
  options.retrainer.shipped_model = ShippedPath("models/demand.truce");
  if (options.retrainer.directory.empty() && settings.store.file != ":memory:") {
    options.retrainer.directory = (std::filesystem::path(settings.store.file).parent_path() / "retraining").string();
  }
  if (!settings.retrain || options.retrainer.directory.empty()) return std::nullopt;
  return options;
}

std::string ModelDirectoryOf(const Settings& settings) {
  // A store in memory has nothing beside it.
  if (!settings.model_directory.empty() || settings.store.file == ":memory:") return settings.model_directory;
  return (std::filesystem::path(settings.store.file).parent_path() / "models").string();
}

absl::StatusOr<std::vector<std::string>> CheckPaths(const Settings& settings) {
  std::vector<std::string> problems;
  std::vector<std::string> warnings;
  const auto add = [&](std::string_view key, const std::optional<std::string>& problem) {
    if (problem) problems.push_back(StrCat(key, ": ", *problem));
  };
  add("store.file", NoStore(settings.store.file));
  if (const std::string models = ModelDirectoryOf(settings); !models.empty()) {
    add("models.directory", NoDirectory(models));
  }
  if (const auto retraining = RetrainingOf(settings)) {
    add("retraining.directory", NoDirectory(retraining->retrainer.directory));
    add("retraining.program", NoProgram(retraining->retrainer.program, &warnings));
  }
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));
  return warnings;
}

absl::Status CheckSecurity(const Settings& settings) {
  if (settings.plaintext) {
    if (rpc::IsLoopback(settings.listen)) return absl::OkStatus();
    return absl::InvalidArgumentError(StrCat("tls.plaintext: works on loopback only, and listen is ", settings.listen,
                                             "; listen on 127.0.0.1, or use TLS"));
  }
  TRUCE_RETURN_IF_ERROR(rpc::RequireFiles({{"tls.ca_file", settings.ca_file},
                                           {"tls.certificate_file", settings.certificate_file},
                                           {"tls.key_file", settings.key_file}},
                                          "make it with trucectl certs init, or name another file"));
  const rpc::Security security{false, settings.ca_file, settings.certificate_file, settings.key_file};
  const auto credentials = rpc::ServerCredentials(security, settings.listen);
  if (!credentials.ok()) return absl::InvalidArgumentError(StrCat("tls: ", StdView(credentials.status().message())));
  return rpc::CheckOwnCertificate(security, {rpc::Role::kController, ""}, "tls.");
}

}  // namespace truce::controller
