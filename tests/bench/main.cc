// truce-bench: measures Truce for people who work on it. Every subcommand ends with the table of figures.
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <iostream>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "src/base/shipped.h"
#include "tests/bench/bench.h"

namespace truce::bench {

bool SleepUnlessStopped(const Surroundings& surroundings, absl::Duration duration) {
  const absl::Duration end = surroundings.clock->Monotonic() + duration;
  while (!surroundings.stop->load()) {
    const absl::Duration left = end - surroundings.clock->Monotonic();
    if (left <= absl::ZeroDuration()) return true;
    absl::SleepFor(std::min(left, absl::Milliseconds(50)));
  }
  return false;
}

namespace {

// The one thing that a signal handler can reach.
std::atomic<bool> stop_requested{false};

void RequestStop(int) {
  stop_requested.store(true);
}

struct Output {
  FigureFormat format = FigureFormat::kTable;
  bool check = false;
};

void AddOutputOptions(CLI::App* command, Output* output) {
  command->add_option("-o,--output", output->format, "table or json")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, FigureFormat>{{"table", FigureFormat::kTable}, {"json", FigureFormat::kJson}}));
  command->add_flag("--check", output->check, "exit 1 when a target is missed");
}

int Show(const absl::StatusOr<BenchResult>& result, const Output& output) {
  if (!result.ok()) {
    std::cerr << "truce-bench: " << result.status().message() << "\n";
    return absl::IsCancelled(result.status()) ? 130 : 1;
  }
  // JSON has standard output for itself.
  std::ostream& notes = output.format == FigureFormat::kJson ? std::cerr : std::cout;
  notes << "machine: " << DescribeMachine() << "\n";
  for (const std::string& note : result->notes) notes << note << "\n";
  return ShowFigures(result->table, output.format, output.check, std::cout);
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Measures Truce. Examples:\n  truce-bench switch\n  truce-bench agent --workloads 10,100 --seconds 20 --check");
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::help);
  Output output;
  int exit_code = 0;

  Surroundings surroundings{&SystemClock(), &stop_requested, &std::cerr, "/sys/fs/cgroup"};
  SwitchBenchOptions switch_options;
  double governed_seconds = absl::ToDoubleSeconds(switch_options.governed_window);
  CLI::App* switches = app.add_subcommand("switch", "cost of a context switch between two counted cgroups");
  switches->add_option("--repeats", switch_options.repeats, "interleaved repeats")->check(CLI::Range(3, 1000));
  switches->add_option("--governed-seconds", governed_seconds, "length of one measurement with the governor")
      ->check(CLI::Range(0.5, 600.0));
  switches->add_option("--budget", switch_options.budget_ratio, "pmu.budget_ratio")->check(CLI::Range(0.0, 0.5));
  AddOutputOptions(switches, &output);
  switches->callback([&] {
    switch_options.governed_window = absl::Seconds(governed_seconds);
    exit_code = Show(RunSwitchBench(switch_options, surroundings), output);
  });

  AgentBenchOptions agent_options;
  agent_options.agent = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "truce-agent";
  double seconds = absl::ToDoubleSeconds(agent_options.window);
  CLI::App* agent = app.add_subcommand("agent", "what an agent costs that watches so many cgroups");
  agent->add_option("--workloads", agent_options.workloads, "numbers of workloads")
      ->delimiter(',')
      ->check(CLI::Range(1, 15000));
  agent->add_option("--pmu", agent_options.pmu, "counters on, off, or both")
      ->delimiter(',')
      ->check(CLI::IsMember({"on", "off"}));
  agent->add_option("--seconds", seconds, "length of one measurement")->check(CLI::Range(2.0, 3600.0));
  agent->add_option("--agent", agent_options.agent, "the agent's binary")->check(CLI::ExistingFile);
  AddOutputOptions(agent, &output);
  agent->callback([&] {
    agent_options.window = absl::Seconds(seconds);
    exit_code = Show(RunAgentBench(agent_options, surroundings), output);
  });

  PredictBenchOptions predict_options;
  predict_options.model = ShippedPath("models/interference.truce");
  CLI::App* predict = app.add_subcommand("predict", "one tick of inference with all pairs of so many workloads");
  predict->add_option("--workloads", predict_options.workloads, "numbers of workloads")
      ->delimiter(',')
      ->check(CLI::Range(2, 5000));
  predict->add_option("--repeats", predict_options.repeats, "ticks that are timed")->check(CLI::Range(3, 100000));
  predict->add_option("--model", predict_options.model, "the interference model")->check(CLI::ExistingFile);
  AddOutputOptions(predict, &output);
  predict->callback([&] { exit_code = Show(RunPredictBench(predict_options, surroundings), output); });

  ForecastBenchOptions forecast_options;
  forecast_options.model = ShippedPath("models/demand.truce");
  CLI::App* forecast = app.add_subcommand("forecast", "what forecasts cost, layer by layer, in time and memory");
  forecast->add_option("--series", forecast_options.series, "series that are forecast")->check(CLI::Range(10, 100000));
  forecast->add_option("--history", forecast_options.history, "values of each before")->check(CLI::Range(60, 10000));
  forecast->add_option("--steps", forecast_options.steps, "forecasts of each that are timed")
      ->check(CLI::Range(3, 100000));
  forecast->add_option("--model", forecast_options.model, "the demand model")->check(CLI::ExistingFile);
  AddOutputOptions(forecast, &output);
  forecast->callback([&] { exit_code = Show(RunForecastBench(forecast_options, surroundings), output); });

  ChurnBenchOptions churn_options;
  double churn_seconds = absl::ToDoubleSeconds(churn_options.duration);
  CLI::App* churn = app.add_subcommand("churn", "cgroups that come and go under actions: what leaks, what goes wrong");
  churn->add_option("--cgroups", churn_options.cgroups, "made and removed in all")->check(CLI::Range(1, 1000000));
  churn->add_option("--seconds", churn_seconds, "how long")->check(CLI::Range(10.0, 86400.0));
  AddOutputOptions(churn, &output);
  churn->callback([&] {
    churn_options.duration = absl::Seconds(churn_seconds);
    exit_code = Show(RunChurnBench(churn_options, surroundings), output);
  });

  PlaceBenchOptions place_options;
  double place_seconds = absl::ToDoubleSeconds(place_options.window);
  CLI::App* place = app.add_subcommand("place", "placement queries: how many a second, and how long each takes");
  place->add_option("--hosts", place_options.hosts, "hosts")->check(CLI::Range(1, 100000));
  place->add_option("--workloads", place_options.workloads, "workloads on them")->check(CLI::Range(1, 2000000));
  place->add_option("--under-way", place_options.under_way, "questions at a time")->check(CLI::Range(1, 1000));
  place->add_option("--rebalance-hosts", place_options.rebalance_hosts, "hosts that the optimizer gets")
      ->check(CLI::Range(2, 10000));
  place->add_option("--seconds", place_seconds, "length of one measurement")->check(CLI::Range(0.5, 3600.0));
  AddOutputOptions(place, &output);
  place->callback([&] {
    place_options.window = absl::Seconds(place_seconds);
    exit_code = Show(RunPlaceBench(place_options, surroundings), output);
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return exit_code;
}

}  // namespace
}  // namespace truce::bench

int main(int argc, char** argv) {
  struct sigaction action {};
  action.sa_handler = truce::bench::RequestStop;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  spdlog::set_default_logger(spdlog::stderr_logger_st("truce-bench"));
  spdlog::set_level(spdlog::level::warn);
  return truce::bench::Main(argc, argv);
}
