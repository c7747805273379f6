#include "controller/controller.h"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <fstream>
#include <memory>
#include <random>
#include <string>

#include "controller/serve/core.h"
#include "controller/serve/grpc_server.h"
#include "controller/serve/http_server.h"
#include "controller/serve/metrics.h"
#include "controller/store/store.h"
#include "spdlog/spdlog.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr absl::Duration kTick = absl::Seconds(1);

// Names this run, so that lease ids of two runs differ.
std::string NewInstance() {
  std::random_device random;
  return StrCat(absl::Hex(random(), absl::kZeroPad8));
}

// Written aside and renamed, so that who waits for the file never reads half of it.
absl::Status WriteAddressFile(const std::string& file, const std::string& grpc, const std::string& http) {
  if (file.empty()) return absl::OkStatus();
  const std::string temporary = file + ".new";
  {
    std::ofstream out(temporary);
    out << "grpc=" << grpc << "\nhttp=" << http << "\n";
    if (!out.flush()) return absl::PermissionDeniedError(StrCat("--print-address-file: ", file, " can't be written"));
  }
  if (std::rename(temporary.c_str(), file.c_str()) != 0)
    return ErrnoStatus(errno, StrCat("--print-address-file: ", file));
  return absl::OkStatus();
}

CoreOptions OptionsFor(const Settings& settings) {
  CoreOptions options;
  options.fleet.report_interval = settings.report_interval;
  options.fleet.missed_report_limit = settings.missed_report_limit;
  options.fleet.limits.workloads_per_host = settings.workloads_per_host;
  options.fleet.limits.message_bytes = static_cast<size_t>(settings.message_mib) << 20;
  options.initial_policy = settings.policy;
  options.version = TRUCE_VERSION;
  options.instance = NewInstance();
  options.history = settings.history;
  options.reserve_ratio = settings.reserve_ratio;
  options.set_aside = settings.set_aside;
  options.rollout = settings.rollout;
  options.model_directory = ModelDirectoryOf(settings);
  options.retraining = RetrainingOf(settings);
  if (settings.retrain && !options.retraining) {
    spdlog::warn("the demand model is not retrained: store.file is in memory; give retraining.directory");
  }
  return options;
}

}  // namespace

absl::Status RunController(const Settings& settings, const std::string& address_file, const Clock& clock,
                           ShutdownSignals& signals) {
  TRUCE_ASSIGN_OR_RETURN(const auto store, Store::Open(settings.store, clock));
  ControllerCore core(OptionsFor(settings), clock, *store);
  Advisor advisor(settings.advisor, core.places(), clock);
  TRUCE_ASSIGN_OR_RETURN(const auto grpc, StartGrpcServer({.listen = settings.listen,
                                                           .plaintext = settings.plaintext,
                                                           .ca_file = settings.ca_file,
                                                           .certificate_file = settings.certificate_file,
                                                           .key_file = settings.key_file,
                                                           .message_bytes = static_cast<int>(std::min<int64_t>(
                                                               int64_t{settings.message_mib} << 21, INT_MAX))},
                                                          core, advisor));
  std::unique_ptr<HttpServer> http;
  if (!settings.http_listen.empty()) {
    TRUCE_ASSIGN_OR_RETURN(http, StartHttpServer(
                                     settings.http_listen, [&core] { return RenderMetrics(core.Metrics()); },
                                     [&store] {
                                       const absl::Status error = store->status().last_error;
                                       return error.ok() ? std::string() : std::string(error.message());
                                     }));
  }
  std::unique_ptr<HttpServer> extender;
  if (!settings.extender_listen.empty()) {
    TRUCE_ASSIGN_OR_RETURN(
        extender, StartExtenderServer(settings.extender_listen, Extender([&core](const v1::ScoreHostsRequest& request) {
                                        return core.places().ScoreHosts(request);
                                      })));
    spdlog::info("kube-scheduler is answered on {}", extender->address());
  }
  const std::string http_address = http == nullptr ? "" : http->address();
  TRUCE_RETURN_IF_ERROR(WriteAddressFile(address_file, grpc->address(), http_address));
  spdlog::info("truce-controller {} serves agents and operators on {}, metrics on {}", TRUCE_VERSION, grpc->address(),
               http_address.empty() ? "no port" : http_address);
  sd_notify(0, "READY=1");
  while (!signals.WaitFor(kTick)) {
    core.Tick();
    sd_notify(0, "WATCHDOG=1");
  }
  spdlog::info("stopping on signal {}", signals.signal());
  sd_notify(0, "STOPPING=1");
  extender.reset();
  http.reset();
  grpc->Stop(absl::Seconds(1));
  return absl::OkStatus();
}

}  // namespace truce::controller
