// truce-lab: what an operator measures with. Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "lab/allocate/commands.h"
#include "lab/anomaly/commands.h"
#include "lab/collect.h"
#include "lab/command_line.h"
#include "lab/consolidate/commands.h"
#include "lab/drift/commands.h"
#include "lab/fleet/commands.h"
#include "lab/forecast/commands.h"
#include "lab/forecast/conformance.h"
#include "lab/learn/commands.h"
#include "lab/levers/commands.h"
#include "lab/load.h"
#include "lab/pack/commands.h"
#include "lab/protect/protect.h"
#include "lab/retrain/commands.h"
#include "lab/scene.h"
#include "lab/storage/commands.h"
#include "lab/summary.h"
#include "src/base/figures.h"
#include "src/base/shipped.h"
#include "src/base/shutdown.h"

namespace {

using truce::ShutdownSignals;
using truce::lab::Absolute;
using truce::lab::AddFormat;
using truce::lab::Failed;
using truce::lab::ReadDuration;

// Of what a command that measures on this host may be told to take.
constexpr absl::Duration kLongest = absl::Hours(24 * 365);

int RunScene(truce::lab::SceneOptions options, const std::string& apart) {
  ShutdownSignals signals;
  const auto time_apart = ReadDuration("--apart", apart, absl::ZeroDuration(), kLongest);
  if (!time_apart.ok()) return Failed(time_apart.status());
  options.apart = *time_apart;
  if (options.binaries.empty()) options.binaries = truce::OwnDirectory();
  const absl::Status status = truce::lab::RunScene(options, signals);
  if (status.ok()) return 0;
  if (signals.signal() != 0) {
    std::fprintf(stderr, "\ninterrupted; everything was ended and restored\n");
    return options.keep ? 0 : 130;
  }
  return Failed(status);
}

int RunCollect(truce::lab::CollectOptions options, const std::string& budget) {
  ShutdownSignals signals;
  const auto time_budget = ReadDuration("--budget", budget, absl::Seconds(1), kLongest);
  if (!time_budget.ok()) return Failed(time_budget.status());
  options.budget = *time_budget;
  if (options.programs.empty()) options.programs = truce::ShippedPath("programs");
  options.load_tool = truce::OwnDirectory() + "/truce-lab-load";
  options.work_directory = Absolute(options.work_directory);
  const auto result = truce::lab::Collect(options, signals);
  if (!result.ok()) return absl::IsCancelled(result.status()) ? 130 : Failed(result.status());
  std::fprintf(stderr,
               "%d meetings, %d of them of three, %lld samples, added to %s; look at them with: truce-lab summary %s\n",
               result->meetings, result->triples, static_cast<long long>(result->samples), options.output.c_str(),
               options.output.c_str());
  for (const std::string& left_out : result->left_out) std::fprintf(stderr, "left out: %s\n", left_out.c_str());
  if (signals.signal() != 0) return 130;
  if (result->meetings == 0) {
    std::fprintf(stderr,
                 "truce-lab: nothing was measured: give it more time with --budget, and a host where nothing else "
                 "runs (seconds in which others use the CPUs don't count)\n");
    return 1;
  }
  return 0;
}

int RunSummary(const std::string& file, const truce::lab::OutputFormat& format) {
  const auto table = truce::lab::Summarise(file, std::cout, format.json);
  if (!table.ok()) return Failed(table.status());
  return truce::ShowFigures(*table, format.kind(), format.check, std::cout);
}

int RunProtect(truce::lab::ProtectOptions options, const std::vector<std::string>& policies) {
  ShutdownSignals signals;
  if (options.programs.empty()) options.programs = truce::ShippedPath("programs");
  if (options.binaries.empty()) options.binaries = truce::OwnDirectory();
  options.load_tool = truce::OwnDirectory() + "/truce-lab-load";
  options.work_directory = Absolute(options.work_directory);
  if (!policies.empty()) {
    options.policies.clear();
    for (const truce::lab::Policy policy : truce::lab::Policies()) {
      const std::string name(truce::lab::PolicyName(policy));
      if (std::find(policies.begin(), policies.end(), name) != policies.end()) options.policies.push_back(policy);
    }
  }
  const absl::Status status = truce::lab::Protect(options, signals);
  if (!status.ok() && !absl::IsCancelled(status)) return Failed(status);
  const auto bouts = truce::lab::ReadBouts(options.output, truce::lab::DescribeSetting(options));
  if (!bouts.ok()) return Failed(bouts.status());
  if (bouts->empty()) {
    std::fprintf(stderr, "truce-lab: nothing was measured%s\n", status.ok() ? "" : " before it was interrupted");
    return status.ok() ? 1 : 130;
  }
  truce::lab::WriteBouts(*bouts, std::cout);
  const int code = truce::ShowFigures(truce::lab::BoutFigures(*bouts), truce::FigureFormat::kTable, false, std::cout);
  return status.ok() ? code : 130;
}

void AddScene(CLI::App& app, truce::lab::SceneOptions& scene, std::string& apart, std::function<int()>& chosen) {
  CLI::App* command = app.add_subcommand("scene", "Protect a real redis-server from a real stress-ng");
  command->add_flag("--keep", scene.keep, "Stay up after the summary until Ctrl-C");
  command->add_option("--apart", apart, "Instead: both on CPUs of their own for so long; nothing may be done to them")
      ->capture_default_str();
  command->add_option("--scores", scene.scores, "What the agent's scores are made from")
      ->check(CLI::IsMember({"both", "evidence", "model"}))
      ->capture_default_str();
  command->add_option("--binaries", scene.binaries,
                      "Where truce-agent and truce-controller are (default: beside truce-lab)");
  command->add_option("--path.cgroup", scene.cgroup_root, "Where the cgroup trees are mounted")->capture_default_str();
  command->callback([&] { chosen = [&] { return RunScene(scene, apart); }; });
}

void AddCollect(CLI::App& app, truce::lab::CollectOptions& collect, std::string& budget, std::function<int()>& chosen) {
  CLI::App* command = app.add_subcommand(
      "collect", "Measure what programs do to each other here, alone and together; goes on where an earlier run ended");
  command->add_option("--budget", budget, "How long to measure")->capture_default_str();
  command->add_option("--output", collect.output, "Data set; what is measured is added to it")->capture_default_str();
  command->add_option("--programs", collect.programs, "Directory of program descriptions (default: those shipped)");
  command->add_option("--only", collect.only, "Names of programs to choose from (default: all)")->delimiter(',');
  command->add_option("--cpus", collect.cpus, "CPUs to run them on, such as 0-3 (default: all)");
  command->add_option("--work-directory", collect.work_directory, "Where their input is made")->capture_default_str();
  command->add_option("--triples", collect.triple_ratio, "Share of meetings that a third program joins")
      ->check(truce::lab::Between(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--repeats", collect.repeat_ratio, "Share of chains that are run twice, to know the noise")
      ->check(truce::lab::Between(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--seed", collect.seed, "Of the order")->check(truce::lab::Seed())->capture_default_str();
  command->callback([&] { chosen = [&] { return RunCollect(collect, budget); }; });
}

void AddProtect(CLI::App& app, truce::lab::ProtectOptions& protect, std::vector<std::string>& policies,
                std::function<int()>& chosen) {
  CLI::App* command = app.add_subcommand(
      "protect",
      "Victims beside aggressors with nothing done, with Truce, and with what others do; goes on where an "
      "earlier run ended");
  command->add_option("--victims", protect.victims, "Programs")->delimiter(',')->capture_default_str();
  command->add_option("--aggressors", protect.aggressors, "Programs")->delimiter(',')->capture_default_str();
  std::vector<std::string> names;
  for (const truce::lab::Policy policy : truce::lab::Policies()) names.emplace_back(truce::lab::PolicyName(policy));
  command->add_option("--policies", policies, "What is done (default: each)")
      ->delimiter(',')
      ->check(CLI::IsMember(names));
  command->add_option("--runs", protect.runs, "Of each")->check(CLI::Range(1, 1000))->capture_default_str();
  command->add_option("--output", protect.output, "Results; what is measured is added to it")->capture_default_str();
  command->add_option("--programs", protect.programs, "Directory of program descriptions (default: those shipped)");
  command->add_option("--work-directory", protect.work_directory, "Where their input is made")->capture_default_str();
  command->callback([&] { chosen = [&] { return RunProtect(protect, policies); }; });
}

void AddSummary(CLI::App& app, std::string& file, truce::lab::OutputFormat& format, std::function<int()>& chosen) {
  CLI::App* command = app.add_subcommand("summary", "What a data set holds: programs, meetings, slowdowns, noise");
  command->add_option("FILE", file, "The data set")->required();
  AddFormat(command, format);
  command->callback([&] { chosen = [&] { return RunSummary(file, format); }; });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "truce-lab measures what workloads do to each other on this host.\n\n"
      "Examples:\n"
      "  truce-lab scene                  Truce's main job with redis-server and stress-ng, end to end, in two "
      "minutes\n"
      "  truce-lab scene --keep           the same, then stay up to look around with trucectl\n"
      "  truce-lab collect --budget 30m   measure programs alone and together, into truce-lab.db\n"
      "  truce-lab summary truce-lab.db   who slowed whom, and how well it repeats\n"
      "  truce-lab levers                 what each means of separating two programs does here\n"
      "  truce-lab allocate               bursts under a quota that looks ahead, beside one that does not\n"
      "  truce-lab evaluate truce-lab.db  how well that is predicted for programs never seen, beside other methods\n"
      "  truce-lab evaluate forecast DIR  how well forecasts come true on published traces, beside other methods\n"
      "  truce-lab evaluate anomalies DIR how well labelled anomalies are found, beside other methods\n"
      "  truce-lab drift --input truce-lab.db  how soon changes of behaviour are found, and how seldom without one\n"
      "  truce-lab storage --directory /srv --output sda.storage   a disk's latency by load, measured with fio\n"
      "  truce-lab retrain --champion demand.truce --input history --output tuned.truce   whether a fleet's own "
      "history "
      "makes a better demand model\n"
      "  truce-lab fleet                  policies that place workloads on hosts with hidden interference, beside each "
      "other\n"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "truce-lab " TRUCE_VERSION);
  std::function<int()> chosen;
  truce::lab::SceneOptions scene;
  truce::lab::CollectOptions collect;
  std::string budget = "30m";
  std::string file;
  truce::lab::OutputFormat format;
  std::string apart = "0s";
  AddScene(app, scene, apart, chosen);
  AddCollect(app, collect, budget, chosen);
  truce::lab::ProtectOptions protect;
  std::vector<std::string> policies;
  AddProtect(app, protect, policies, chosen);
  AddSummary(app, file, format, chosen);
  truce::lab::AddLeversCommand(app, chosen);
  truce::lab::AddAllocateCommand(app, chosen);
  truce::lab::AddConformanceCommand(app, chosen);
  truce::lab::AddLearningCommands(app, chosen);
  truce::lab::AddRetrainCommand(app, chosen);
  truce::lab::AddForecastCommands(app, chosen);
  truce::lab::AddAnomalyCommands(app, chosen);
  truce::lab::AddDriftCommand(app, chosen);
  truce::lab::AddStorageCommand(app, chosen);
  truce::lab::AddPackCommands(app, chosen);
  truce::lab::AddConsolidateCommand(app, chosen);
  truce::lab::AddFleetCommand(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return chosen();
}
