// The real programs as processes, for the end-to-end scenes: a controller and agents with certificates made for the
// occasion, and trucectl as an operator would call it.
#pragma once

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "src/base/child_process.h"
#include "src/base/text.h"
#include "src/rpc/certificates.h"
#include "tests/fixtures/tree.h"

namespace truce::e2e {

inline constexpr char kHostName[] = "fixture-1";
// How long a scene waits for what must come; far more than it takes on an idle machine.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

// The program in the build folder, or below TRUCE_E2E_BIN.
inline std::string Program(const std::string& name) {
  const char* directory = std::getenv("TRUCE_E2E_BIN");
  return StrCat(directory == nullptr ? TRUCE_BIN_DIR : directory, "/", name);
}

inline std::string ReadText(const std::string& file) {
  std::ifstream in(file);
  std::stringstream content;
  content << in.rdbuf();
  return content.str();
}

// Asks `condition` again and again until it holds or patience ends.
inline bool Eventually(const std::function<bool()>& condition, absl::Duration patience = kPatience) {
  const absl::Time deadline = absl::Now() + patience;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(20));
  }
  return true;
}

struct Outcome {
  // -1: it did not end.
  int exit_code = -1;
  std::string output;
};

struct FleetOptions {
  // By which agents reach the controller.
  std::vector<std::string> addresses = {"127.0.0.1"};
  // Time in agents and controllers that is short enough for tests, and long enough for where they run.
  std::string report_interval = "1s";
  std::string lease_time_to_live = "5s";
  // Further lines of the controller's policy.
  std::string policy;
};

class Fleet {
 public:
  explicit Fleet(FleetOptions options = {}) : options_(std::move(options)) {
    Check(rpc::CreateAuthority(Path("pki")));
    Issue("agent", kHostName);
    Issue("controller", "test-controller");
    Issue("operator", "tester");
  }
  ~Fleet() {
    // Also when it is a whole suite's, and goes with that.
    if (!testing::Test::HasFailure() && !testing::UnitTest::GetInstance()->Failed()) return;
    for (const auto& entry : std::filesystem::directory_iterator(Path("."))) {
      if (entry.path().extension() != ".log" || entry.path().filename().string().starts_with("run-")) continue;
      const std::string text = ReadText(entry.path().string());
      std::fprintf(stderr, "--- %s\n%s\n", entry.path().filename().c_str(),
                   text.substr(text.size() - std::min<size_t>(text.size(), 6000)).c_str());
    }
  }
  std::string Path(const std::string& name) const { return directory_.Path(name); }
  void Issue(const std::string& role, const std::string& name) {
    Check(rpc::IssueCertificate(Path("pki"), {role, name, options_.addresses, absl::Hours(1)}));
  }

  // Starts or restarts the controller, on the port and store that it had.
  void StartController() {
    std::ofstream(Path("controller.yaml"))
        << "listen: " << (address_.empty() ? "127.0.0.1:0" : address_)
        << "\nhttp: {listen: ''}\ntls:\n  ca_file: " << Path("pki/ca.crt")
        << "\n  certificate_file: " << Path("pki/controller-test-controller.crt")
        << "\n  key_file: " << Path("pki/controller-test-controller.key") << "\nstore: {file: " << Path("store.db")
        << "}\n"
        << "report: {interval: " << options_.report_interval
        << "}\npolicy:\n  lease_time_to_live: " << options_.lease_time_to_live << "\n  host_actions_per_minute: 100\n"
        << options_.policy;
    std::filesystem::remove(Path("address"));
    controller_.emplace(Start("controller.log", {Program("truce-controller"), "--config", Path("controller.yaml"),
                                                 "--print-address-file", Path("address")}));
    ASSERT_TRUE(Eventually([this] { return std::filesystem::exists(Path("address")) || !controller_->Running(); }));
    std::istringstream lines(ReadText(Path("address")));
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("grpc=")) address_ = line.substr(5);
    }
    ASSERT_FALSE(address_.empty()) << ReadText(Path("controller.log"));
  }
  ChildProcess& controller() { return *controller_; }
  // Where it listens: "127.0.0.1:PORT".
  const std::string& address() const { return address_; }

  // Writes the agent's configuration for the host of files below `root`.
  void ConfigureAgent(const std::string& root, const std::string& certificate_host = kHostName) {
    paths_ = WriteAgentYaml("agent.yaml", kHostName, root, certificate_host,
                            "state_directory: " + Path("state") +
                                "\nmetrics: {listen: '127.0.0.1:0'}\n"
                                "forecast: {step: 1s}\n"
                                "discovery:\n  rules:\n    - {match: shop/*, class: standard}\n"
                                "    - {match: batch/*, class: best_effort}\n");
  }
  // Starts an agent beside that one, for another host of files; `more` has its rules and further sections.
  void AddAgent(const std::string& host, const std::string& root, const std::string& more) {
    Issue("agent", host);
    const auto paths = WriteAgentYaml(StrCat(host, ".yaml"), host, root, host,
                                      StrCat("state_directory: ", Path(host), "\nmetrics: {listen: ''}\n", more));
    std::vector<std::string> command = {Program("truce-agent")};
    command.insert(command.end(), paths.begin(), paths.end());
    more_agents_.push_back(Start(StrCat(host, ".log"), command));
  }
  std::vector<std::string> AgentCommand(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command = {Program("truce-agent")};
    command.insert(command.end(), more.begin(), more.end());
    command.insert(command.end(), paths_.begin(), paths_.end());
    return command;
  }
  // Starts or restarts the agent and waits until it serves its metrics.
  void StartAgent(const std::vector<std::string>& more = {}) {
    std::filesystem::remove(Path("agent.log"));
    metrics_port_ = 0;
    agent_.emplace(Start("agent.log", AgentCommand(more)));
    ASSERT_TRUE(Eventually([this] {
      const std::string log = ReadText(Path("agent.log"));
      const size_t at = log.find("metrics on port ");
      if (at != std::string::npos && log.find('\n', at) != std::string::npos) metrics_port_ = std::atoi(&log[at + 16]);
      return metrics_port_ != 0 || !agent_->Running();
    }));
    ASSERT_NE(metrics_port_, 0) << AgentLog();
  }
  ChildProcess& agent() { return *agent_; }
  std::string AgentLog() const { return ReadText(Path("agent.log")); }
  std::string Metrics() const {
    const httplib::Result page = httplib::Client("127.0.0.1", metrics_port_).Get("/metrics");
    return page && page->status == 200 ? page->body : "";
  }
  // The value of a metric without labels; -1 when it is not there.
  double Metric(const std::string& name) const {
    std::istringstream lines(Metrics());
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(name + " ")) return std::atof(&line[name.size() + 1]);
    }
    return -1;
  }

  // Runs a program to its end.
  Outcome RunToEnd(const std::vector<std::string>& command) {
    const std::string log = StrCat("run-", ++runs_, ".log");
    ChildProcess process = Start(log, command);
    Outcome outcome;
    if (Eventually([&] { return !process.Running(); })) outcome.exit_code = process.Stop();
    outcome.output = ReadText(Path(log));
    return outcome;
  }
  // trucectl with its connection; the output is what a person would see.
  Outcome Ctl(const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {Program("trucectl"),
                                        "--server",
                                        address_,
                                        "--ca",
                                        Path("pki/ca.crt"),
                                        "--cert",
                                        Path("pki/operator-tester.crt"),
                                        "--key",
                                        Path("pki/operator-tester.key")};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return RunToEnd(command);
  }
  // trucectl ... -o json, as the message that the answer is; a default one when the command failed.
  template <typename Message>
  Message Get(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    const Outcome outcome = Ctl(arguments);
    Message message;
    if (outcome.exit_code != 0 || !google::protobuf::util::JsonStringToMessage(outcome.output, &message).ok()) {
      return Message();
    }
    return message;
  }

 private:
  // The arguments of an agent with it.
  std::vector<std::string> WriteAgentYaml(const std::string& file, const std::string& host, const std::string& root,
                                          const std::string& certificate_host, const std::string& more) {
    std::ofstream(Path(file)) << "host: " << host << "\npaths: {run: " << root << "/run}\n"
                              << "sample: {interval: 100ms, slow_every: 1}\nscore: {interval: 500ms, from: evidence}\n"
                              << "fingerprint: {least_samples: 20}\npmu: {enabled: false}\n"
                              << "guard: {changes_per_minute: 100}\n"
                              << "controller:\n  address: " << (address_.empty() ? "127.0.0.1:1" : address_)
                              << "\n  ca_file: " << Path("pki/ca.crt")
                              << "\n  certificate_file: " << Path(StrCat("pki/agent-", certificate_host, ".crt"))
                              << "\n  key_file: " << Path(StrCat("pki/agent-", certificate_host, ".key"))
                              << "\n  first_backoff: 100ms\n  longest_backoff: 500ms\n"
                              << more;
    return {"--config",     Path(file),    "--path.procfs", root + "/proc",
            "--path.sysfs", root + "/sys", "--path.cgroup", root + "/cgroup"};
  }
  static void Check(const absl::Status& status) {
    if (!status.ok()) ADD_FAILURE() << status;
  }
  ChildProcess Start(const std::string& log, std::vector<std::string> command) {
    ChildOptions options;
    options.arguments = std::move(command);
    options.log_file = Path(log);
    auto process = ChildProcess::Start(options);
    if (!process.ok()) {
      std::fprintf(stderr, "%s\n", process.status().ToString().c_str());
      std::abort();
    }
    return *std::move(process);
  }

  const FleetOptions options_;
  test::Tree directory_;
  std::string address_;
  std::vector<std::string> paths_;
  int metrics_port_ = 0;
  int runs_ = 0;
  std::optional<ChildProcess> controller_;
  std::optional<ChildProcess> agent_;
  std::vector<ChildProcess> more_agents_;
};

}  // namespace truce::e2e
