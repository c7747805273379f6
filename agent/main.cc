// truce-agent: watches one host, and acts on it under leases when it is told to. Exit codes: 0 done, 1 failed, 2 usage
// or configuration error.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/agent.h"
#include "agent/agent_models.h"
#include "agent/settings.h"
#include "src/base/clock.h"
#include "src/base/config.h"
#include "src/base/log.h"
#include "src/base/shutdown.h"
#include "src/base/text.h"
#include "src/host/balloon.h"
#include "src/host/resctrl.h"
#include "src/host/unit_manager.h"
#include "src/host/writer_host.h"
#include "src/rpc/grpc_log.h"

namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

int Fail(int code, const absl::Status& status) {
  std::fprintf(stderr, "truce-agent: %s\n", std::string(status.message()).c_str());
  return code;
}

int Restore(const truce::agent::AgentSettings& settings) {
  auto layout = truce::host::CgroupLayout::Detect(settings.cgroup_root);
  if (!layout.ok()) return Fail(kFailed, layout.status());
  truce::host::SystemBus units;
  truce::host::Balloons balloons(
      {.procfs = settings.procfs, .make = truce::host::SystemBalloons(settings.libvirt_uri)});
  std::unique_ptr<truce::host::Resctrl> resctrl;
  std::optional<truce::host::HostControlWriter> writer;
  const auto make_writer = [&]() -> truce::host::ControlWriter& {
    // That alone puts everybody back into the default class; what is left is to strike it off the journal.
    auto opened = truce::host::Resctrl::Open({.sysfs = settings.sysfs, .procfs = settings.procfs});
    if (opened.ok()) resctrl = *std::move(opened);
    return writer.emplace(truce::host::HostControlWriterOptions{.resctrl = resctrl.get(),
                                                                .no_resctrl = opened.status(),
                                                                .balloons = &balloons,
                                                                .units = &units,
                                                                .run_directory = settings.run_directory});
  };
  const std::string& directory = settings.actuator.state_directory;
  // Where it is mistyped, what is to be restored lies elsewhere: nothing was done, and that is no success.
  if (!directory.starts_with('/') || access(directory.c_str(), F_OK) != 0) {
    return Fail(kFailed, absl::NotFoundError(
                             truce::StrCat("nothing was restored: the state_directory '", directory,
                                           directory.starts_with('/') ? "' can't be found" : "' is no absolute path",
                                           "; name the one that the agent ran with")));
  }
  // Before the journal is opened, which would make one.
  const bool has_journal = access((directory + "/journal").c_str(), F_OK) == 0 || errno != ENOENT;
  auto restored = truce::agent::RestoreFromJournal(directory, *layout, make_writer);
  if (!restored.ok()) return Fail(kFailed, restored.status());
  std::printf("%d control file%s restored", *restored, *restored == 1 ? "" : "s");
  if (!has_journal)
    std::printf(": there is no journal in %s (state_directory), so no action was recorded there", directory.c_str());
  std::printf("\n");
  return kDone;
}

int Run(const truce::agent::AgentSettings& settings) {
  truce::ShutdownSignals signals;
  auto agent = truce::agent::Agent::Create(settings, truce::SystemClock());
  if (!agent.ok()) return Fail(kFailed, agent.status());
  const absl::Status status = (*agent)->Run(signals);
  return status.ok() ? kDone : Fail(kFailed, status);
}

}  // namespace

int main(int argc, char** argv) {
  truce::rpc::KeepGrpcLogQuiet();
  CLI::App app{
      "truce-agent watches the workloads of this host and keeps them from hurting each other.\n\n"
      "Examples:\n"
      "  truce-agent --config /etc/truce/agent.yaml\n"
      "  truce-agent --config agent.yaml --check-config\n"
      "  truce-agent restore --config /etc/truce/agent.yaml     put back what a crashed agent left changed\n"};
  std::string config_file;
  bool check_only = false;
  std::vector<std::string> assignments;
  std::map<std::string, std::string> flags;
  app.add_option("--config", config_file, "Configuration file (YAML)");
  app.add_flag("--check-config", check_only, "Check the configuration and exit");
  app.add_option("--set", assignments, "Set one key, as key=value; wins over environment and file");
  for (const char* key : {"paths.procfs", "paths.sysfs", "paths.cgroup"}) {
    app.add_option_function<std::string>(
        truce::StrCat("--path.", key + 6), [&flags, key](const std::string& value) { flags[key] = value; },
        truce::StrCat("Where ", key + 6, " is mounted"));
  }
  app.set_version_flag("--version", "truce-agent " TRUCE_VERSION);
  app.fallthrough();
  app.require_subcommand(0, 1);
  const CLI::App* restore =
      app.add_subcommand("restore", "Put back every original that the journal still holds, and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUsage;
  }
  for (const std::string& assignment : assignments) {
    const size_t equals = assignment.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Fail(kUsage, absl::InvalidArgumentError(truce::StrCat("--set ", assignment, ": expected key=value")));
    }
    flags[assignment.substr(0, equals)] = assignment.substr(equals + 1);
  }

  const auto source = truce::LoadConfigSource(config_file, "TRUCE_AGENT_", flags);
  if (!source.ok()) return Fail(kUsage, source.status());
  const auto settings = truce::agent::ReadAgentSettings(*source);
  if (!settings.ok() && restore->parsed() && !check_only) {
    Fail(kUsage, settings.status());
    std::fprintf(stderr, "truce-agent: restoring all the same\n");
    return Restore(truce::agent::ReadRestoreSettings(*source));
  }
  if (!settings.ok()) return Fail(kUsage, settings.status());
  if (absl::Status status = truce::InitializeLogging(settings->log_level); !status.ok()) return Fail(kUsage, status);
  if (check_only || !restore->parsed()) {
    if (absl::Status status = truce::agent::CheckControllerSecurity(*settings); !status.ok())
      return Fail(kUsage, status);
    if (absl::Status status = truce::agent::CheckPaths(*settings); !status.ok()) return Fail(kUsage, status);
  }
  if (check_only) {
    if (absl::Status status = truce::agent::CheckControllerCertificate(*settings); !status.ok())
      return Fail(kUsage, status);
    for (const std::string& warning : truce::agent::ModelWarnings(*settings)) {
      std::fprintf(stderr, "truce-agent: warning: %s\n", warning.c_str());
    }
    std::printf("%s is a valid configuration\n", config_file.empty() ? "the default" : config_file.c_str());
    return kDone;
  }
  return restore->parsed() ? Restore(*settings) : Run(*settings);
}
