// The controller's settings, and the one place where keys are bound to them. deploy/truce-controller.yaml documents
// every key at its default; a test holds the two together.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/learn/retraining.h"
#include "controller/learn/rollout.h"
#include "controller/serve/advisor.h"
#include "controller/store/store.h"
#include "src/base/config.h"
#include "truce/v1/operator.pb.h"

namespace truce::controller {

struct Settings {
  // gRPC for agents, operators and schedulers; port 0 for any.
  std::string listen = "0.0.0.0:7443";
  // /metrics and /healthz; empty turns them off.
  std::string http_listen = "127.0.0.1:7480";
  // Of every host so much is left free when workloads are placed.
  double reserve_ratio = 0;
  // What of a forecast is set aside for a workload.
  SetAside set_aside = SetAside::kPeak;
  // What would be better elsewhere.
  AdvisorOptions advisor;
  // The scheduler extender of Kubernetes; empty: off.
  std::string extender_listen;
  bool plaintext = false;
  std::string ca_file = "/etc/truce/pki/ca.crt";
  std::string certificate_file = "/etc/truce/pki/controller.crt";
  std::string key_file = "/etc/truce/pki/controller.key";
  StoreOptions store;
  int store_maximum_mib = 0;
  // Where models lie that are sent to hosts; empty: in "models" beside the store's file.
  std::string model_directory;
  RolloutOptions rollout;
  bool history = true;
  // Its program, directory and model are empty for what is usual (RetrainingOf).
  bool retrain = true;
  RetrainingOptions retraining;
  int retraining_memory_mib = 2048;
  absl::Duration report_interval = absl::Seconds(5);
  int missed_report_limit = 3;
  int workloads_per_host = 20'000;
  int message_mib = 16;
  std::string log_level = "info";
  // Until an operator applies one.
  v1::Policy policy;

  Settings();
};

// Binds every key. InvalidArgument lists what is wrong, one a line, with file and line.
absl::Status ReadSettings(const ConfigSource& source, Settings* settings, std::set<std::string>* known_keys = nullptr);

// How the demand model is retrained: nullopt when that is off, or the store is in memory and no directory is given.
std::optional<RetrainingOptions> RetrainingOf(const Settings& settings);

// Where models lie that are sent to hosts; empty: nowhere, because the store is in memory and no directory is given.
std::string ModelDirectoryOf(const Settings& settings);

// Whether what store.file, models.* and retraining.* name can be what it must be. InvalidArgument names each key whose
// path never can, one a line; else one sentence for each that is not there yet, and may come while the controller runs.
// Looks at the files, so it is no part of ReadSettings.
absl::StatusOr<std::vector<std::string>> CheckPaths(const Settings& settings);

// Whether the controller could secure its port with these settings: the files of tls.* are there and go together, the
// certificate is a controller's, and plain text stays on loopback. InvalidArgument names the key; FailedPrecondition
// says that the CA did not sign the certificate, which is right only where agents and trucectl know another CA. Looks
// at the files, so it is no part of ReadSettings.
absl::Status CheckSecurity(const Settings& settings);

}  // namespace truce::controller
