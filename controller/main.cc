// truce-controller: parses flags, validates the configuration, runs. Exit codes: 0 stopped as asked, 1 failed, 2 usage
// or configuration.
#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "controller/controller.h"
#include "controller/settings.h"
#include "spdlog/spdlog.h"
#include "src/base/clock.h"
#include "src/base/config.h"
#include "src/base/log.h"
#include "src/base/shutdown.h"
#include "src/base/text.h"
#include "src/rpc/grpc_log.h"

namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Flags {
  std::string config;
  bool check_config = false;
  std::string address_file;
  // Settings given by flag, by key.
  std::map<std::string, std::string> settings;
};

// 0 to go on, else the exit code.
int Parse(int argc, char** argv, Flags* flags, bool* done) {
  CLI::App app(
      "truce-controller: plans for a fleet of hosts and serves agents, operators and schedulers.\n"
      "Example: truce-controller --config /etc/truce/controller.yaml");
  std::string listen;
  std::string http_listen;
  bool plaintext = false;
  std::vector<std::string> assignments;
  app.add_option("--config", flags->config, "YAML file; every key is in deploy/truce-controller.yaml");
  app.add_flag("--check-config", flags->check_config, "check the configuration and exit");
  app.add_option("--listen", listen, "host:port for gRPC, port 0 for any (listen)");
  app.add_option("--http-listen", http_listen, "host:port for /metrics and /healthz (http.listen)");
  app.add_flag("--plaintext", plaintext, "no TLS; loopback only (tls.plaintext)");
  app.add_option("--set", assignments, "key=value of any setting; may be repeated")->allow_extra_args(false);
  app.add_option("--print-address-file", flags->address_file, "write grpc=host:port and http=host:port here");
  app.set_version_flag("--version", "truce-controller " TRUCE_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    *done = true;
    return code == 0 ? 0 : kUsage;
  }
  for (const auto& assignment : assignments) {
    const size_t equals = assignment.find('=');
    if (equals == std::string::npos || equals == 0) {
      std::cerr << "--set " << assignment << ": key=value is expected\n";
      *done = true;
      return kUsage;
    }
    flags->settings[assignment.substr(0, equals)] = assignment.substr(equals + 1);
  }
  if (app.count("--listen") > 0) flags->settings["listen"] = listen;
  if (app.count("--http-listen") > 0) flags->settings["http.listen"] = http_listen;
  if (plaintext) flags->settings["tls.plaintext"] = "true";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  truce::rpc::KeepGrpcLogQuiet();
  Flags flags;
  bool done = false;
  if (const int code = Parse(argc, argv, &flags, &done); done) return code;
  const auto source = truce::LoadConfigSource(flags.config, "TRUCE_CONTROLLER_", flags.settings);
  if (!source.ok()) {
    std::cerr << source.status().message() << "\n";
    return kUsage;
  }
  truce::controller::Settings settings;
  if (const auto status = truce::controller::ReadSettings(*source, &settings); !status.ok()) {
    std::cerr << status.message() << "\n";
    return kUsage;
  }
  const auto security = truce::controller::CheckSecurity(settings);
  const bool other_authority = absl::IsFailedPrecondition(security);
  if (!security.ok() && (flags.check_config || !other_authority)) {
    std::cerr << (flags.config.empty() ? "" : flags.config + ": ") << security.message() << "\n";
    return kUsage;
  }
  const auto missing = truce::controller::CheckPaths(settings);
  if (!missing.ok()) {
    std::cerr << (flags.config.empty() ? "" : flags.config + ": ") << missing.status().message() << "\n";
    return kUsage;
  }
  if (flags.check_config) {
    for (const auto& warning : *missing) std::cerr << "warning: " << warning << "\n";
    std::cout << (flags.config.empty() ? "the default configuration" : flags.config) << " is valid\n";
    return 0;
  }
  if (const auto status = truce::InitializeLogging(settings.log_level); !status.ok()) {
    std::cerr << status.message() << "\n";
    return kUsage;
  }
  if (other_authority) {
    spdlog::warn("{}; agents and trucectl refuse it, unless they know another CA",
                 std::string(truce::StdView(security.message())));
  }
  for (const auto& warning : *missing) spdlog::warn("{}", warning);
  truce::ShutdownSignals signals;
  if (const auto status = truce::controller::RunController(settings, flags.address_file, truce::SystemClock(), signals);
      !status.ok()) {
    std::cerr << "truce-controller: " << status.message() << "\n";
    return kFailed;
  }
  return 0;
}
