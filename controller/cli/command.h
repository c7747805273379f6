// What a command gets and what it is: the parsed flags, the console, the controller. Each command lives in a file of
// its own named after it; parse.cc binds words and flags to it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/cli/app.h"
#include "controller/cli/connection.h"
#include "truce/v1/scheduler.pb.h"

namespace truce::cli {

enum class OutputFormat { kTable, kWide, kJson, kYaml, kName };

// Of the commands about placing.
struct PlaceFlags {
  uint64_t memory_bytes = 0;
  uint32_t most_per_host = 0;
  uint32_t most_per_fault_domain = 0;
  bool one_numa_node = false;
  std::vector<std::string> apart_from;
  std::vector<std::string> beside;
  std::vector<std::string> hosts;
  std::string request_id;
  uint32_t reserve_seconds = 0;
  uint32_t add_count = 0;
  std::vector<std::string> drain;
  std::vector<std::string> fail;
  std::vector<std::string> fail_domains;
};

// Every flag and argument of every command; a command reads those that parse.cc gives it.
struct Options {
  ConnectionFlags connection;
  OutputFormat output = OutputFormat::kTable;
  bool watch = false;
  bool dry_run = false;
  // Of advice: have it thought out now.
  bool anew = false;
  // The thing that the command is about: a host, a workload, a file, a certificate's name.
  std::string name;
  std::string host;
  std::string workload;
  std::string aggressor;
  std::string workload_class;
  std::string mode;
  std::string reason;
  std::string target_host;
  std::string driver;
  // A workload that has no host yet, but for what `place` has of it.
  v1::WorkloadDescription wanted;
  PlaceFlags place;
  double minimum_score = 0;
  uint32_t limit = 0;
  uint64_t after_sequence = 0;
  std::string file;
  std::string directory;
  std::string role;
  std::vector<std::string> addresses;
  std::string operator_name = "admin";
  int days = 0;
  // Whether `certs issue` may overwrite.
  bool replace = false;
  // Filled in by parse.cc for `completion`.
  std::string completion_script;
};

// One run of one command.
class Session {
 public:
  Session(const Options& options, Console& console) : options_(options), console_(console) {}
  const Options& options() const { return options_; }
  Console& console() { return console_; }
  absl::Time Now() const { return console_.clock.Now(); }
  // The controller, connected to on first use.
  absl::StatusOr<OperatorClient*> Controller();

 private:
  const Options& options_;
  Console& console_;
  std::unique_ptr<OperatorClient> client_;
};

using Command = absl::Status (*)(Session&);

absl::Status GetHosts(Session& session);
absl::Status GetWorkloads(Session& session);
absl::Status GetApplications(Session& session);
absl::Status GetPairs(Session& session);
absl::Status GetActions(Session& session);
absl::Status GetAnomalies(Session& session);
absl::Status GetEvents(Session& session);
absl::Status GetReceipts(Session& session);
absl::Status GetDecisions(Session& session);
absl::Status GetMigrations(Session& session);
absl::Status GetModels(Session& session);
absl::Status GetPolicy(Session& session);
absl::Status GetAdvice(Session& session);
absl::Status TopHosts(Session& session);
absl::Status TopWorkloads(Session& session);
absl::Status DescribeHost(Session& session);
absl::Status DescribeWorkload(Session& session);
absl::Status DescribeApplication(Session& session);
absl::Status Explain(Session& session);
absl::Status ExplainPlacement(Session& session);
absl::Status Place(Session& session);
absl::Status Release(Session& session);
absl::Status Simulate(Session& session);
absl::Status SetMode(Session& session);
absl::Status Hold(Session& session);
absl::Status Resume(Session& session);
absl::Status Migrate(Session& session);
absl::Status VerifyMigration(Session& session);
absl::Status RollBackModel(Session& session);
absl::Status Apply(Session& session);
absl::Status CertsInit(Session& session);
absl::Status CertsIssue(Session& session);
absl::Status CertsShow(Session& session);
absl::Status CompletionBash(Session& session);
absl::Status Version(Session& session);

// An error in what the user gave (exit code 2) rather than in what happened (exit code 1).
absl::Status UsageError(const std::string& message);
bool IsUsageError(const absl::Status& status);

}  // namespace truce::cli
