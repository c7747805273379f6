#include "lab/fleet/commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "lab/command_line.h"
#include "lab/fleet/experiment.h"
#include "lab/fleet/report.h"
#include "spdlog/spdlog.h"
#include "src/base/shutdown.h"

namespace truce::lab {
namespace {

struct FleetArguments {
  fleet::FleetOptions options;
  std::string knowledge = "both";
  std::vector<std::string> policies = {"all"};
  OutputFormat shown;
};

int RunFleetCommand(const FleetArguments& arguments) {
  ShutdownSignals signals;
  spdlog::set_level(spdlog::level::warn);  // that a thousand hosts connect is no news
  fleet::FleetOptions options = arguments.options;
  const std::vector<std::string>& wanted = arguments.policies;
  if (std::find(wanted.begin(), wanted.end(), "all") == wanted.end()) options.policies = wanted;
  if (arguments.knowledge != "both") options.knowledge = {arguments.knowledge};
  const auto result = fleet::RunFleet(options, signals, std::cerr);
  if (absl::IsCancelled(result.status())) {
    std::fprintf(stderr, "\ninterrupted; nothing is kept\n");
    return 130;
  }
  if (!result.ok()) return Failed(result.status());
  const FigureTable figures = fleet::FleetFigures(*result);
  const bool judged = std::any_of(figures.figures().begin(), figures.figures().end(),
                                  [](const Figure& figure) { return figure.target.has_value(); });
  if (arguments.shown.check && !judged) {
    std::fprintf(stderr, "truce-lab fleet: --check: there is no target without both truce and one of the others\n");
    return 2;
  }
  if (arguments.shown.json) return ShowFigures(figures, FigureFormat::kJson, arguments.shown.check, std::cout);
  fleet::WriteFleet(*result, std::cout);
  return arguments.shown.check && !figures.AllMet() ? 1 : 0;
}

}  // namespace

void AddFleetCommand(CLI::App& app, std::function<int()>& chosen) {
  const auto arguments = std::make_shared<FleetArguments>();
  fleet::FleetOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand(
      "fleet",
      "Place workloads on simulated hosts whose interference is hidden, by several policies beside each other");
  command->footer(
      "  truce-lab fleet                                      all policies, 1,000 hosts, a day, three worlds\n"
      "  truce-lab fleet --traces 20110303.csv --overcommit 3 demand as a day of PlanetLab had it\n"
      "  truce-lab fleet --policy risk-balancing,truce        only these");
  command->add_option("--hosts", options.world.hosts, "Hosts")
      ->check(CLI::Range(size_t{2}, size_t{100'000}))
      ->capture_default_str();
  command->add_option("--workloads", options.world.workloads_per_host, "Workloads that run at a time, for each host")
      ->check(Between(0.1, 1000.0))
      ->capture_default_str();
  command->add_option("--hours", options.world.hours, "Hours that count, after two that don't")
      ->check(Between(0.1, 10'000.0))
      ->capture_default_str();
  command->add_option("--seed", options.world.seed, "Of the first world")->check(Seed())->capture_default_str();
  command->add_option("--seeds", options.seeds, "Worlds")->check(CLI::Range(1, 1000))->capture_default_str();
  std::vector<std::string> names = fleet::PolicyNames();
  names.emplace_back("all");
  command->add_option("--policy", arguments->policies, "Who places: all, or some of them")
      ->delimiter(',')
      ->check(CLI::IsMember(names))
      ->capture_default_str();
  command->add_option("--knowledge", arguments->knowledge, "What is known of interference: real, perfect or both")
      ->check(CLI::IsMember(std::vector<std::string>{"both", std::string(fleet::kReal), std::string(fleet::kPerfect)}))
      ->capture_default_str();
  command->add_option("--traces", options.world.traces,
                      "A day of CPU use: lines of vm,t0..t287 in percent (default: made-up days)");
  command->add_option("--overcommit", options.overcommit, "CPUs that may be asked for, for each that a host has")
      ->check(Between(0.1, 100.0))
      ->capture_default_str();
  command->add_option("--moves", options.move_ratio, "Part of the workloads that may be moved each hour")
      ->check(Between(0.0, 1.0))
      ->capture_default_str();
  command
      ->add_option("--bias", options.world.truth.bias,
                   "How much pairs differ from what each of them says of itself (deviation of the logarithm)")
      ->check(Between(0.0, 3.0))
      ->capture_default_str();
  command->add_option("--threads", options.threads, "Simulations beside each other")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_flag("--json", arguments->shown.json, "The figures as JSON");
  command->add_flag("--check", arguments->shown.check, "Exit with 1 when the target is missed");
  command->callback([=, &chosen] { chosen = [=] { return RunFleetCommand(*arguments); }; });
}

}  // namespace truce::lab
