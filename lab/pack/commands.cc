#include "lab/pack/commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "lab/command_line.h"
#include "lab/pack/pack_huawei.h"
#include "lab/pack/pack_roadef.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

struct PackArguments {
  std::string format;
  std::vector<std::string> files;
  std::string output;
  std::string policy = "ours";
  double seconds = 60;
  int64_t iterations = 0;
  uint64_t seed = 1;
  int threads = 2;
  OutputFormat shown;
};

absl::StatusOr<FigureTable> PackByRoadef(const PackArguments& arguments) {
  controller::pack::AnnealOptions options;
  options.time = absl::Seconds(arguments.seconds);
  options.seed = arguments.seed;
  options.threads = arguments.threads;
  if (arguments.iterations > 0) {
    options.iterations = arguments.iterations;
    options.time = absl::InfiniteDuration();
  }
  return PackRoadef({arguments.files[0], arguments.files[1], arguments.output}, options);
}

absl::StatusOr<FigureTable> PackByHuawei(const PackArguments& arguments) {
  RuinOptions options;
  options.time = absl::Seconds(arguments.seconds);
  options.seed = arguments.seed;
  options.threads = arguments.threads;
  if (arguments.iterations > 0) {
    options.iterations = arguments.iterations;
    options.time = absl::InfiniteDuration();
  }
  return PackHuawei({arguments.files[0], arguments.files[1], arguments.output, arguments.policy}, options);
}

int RunPack(const PackArguments& arguments) {
  const auto figures = arguments.format == "huawei" ? PackByHuawei(arguments) : PackByRoadef(arguments);
  if (!figures.ok()) return Failed(figures.status());
  return ShowFigures(*figures, arguments.shown.kind(), arguments.shown.check, std::cout);
}

}  // namespace

void AddPackCommands(CLI::App& app, std::function<int()>& chosen) {
  const auto arguments = std::make_shared<PackArguments>();
  CLI::App* pack = app.add_subcommand("pack", "Pack a published problem, and judge the plan");
  pack->footer(
      "  truce-lab pack --format roadef model.txt initial.txt --seconds 60 --seed 1 --output new.txt\n"
      "  truce-lab pack --format huawei servers.csv.xz requests.csv.xz --seconds 60 --output plan.csv\n"
      "\nroadef: the model and the initial assignment of the ROADEF/EURO challenge 2012\n"
      "huawei: the servers and the requests of Huawei Cloud's data set of NUMA VMs with groups");
  pack->add_option("--format", arguments->format, "roadef or huawei")
      ->required()
      ->check(CLI::IsMember({"roadef", "huawei"}));
  pack->add_option("files", arguments->files, "MODEL INITIAL, or SERVERS REQUESTS")->required()->expected(2);
  pack->add_option("--output", arguments->output, "Where the new assignment, or the plan, goes")->required();
  pack->add_option("--policy", arguments->policy,
                   "huawei: whose plan is written: ours (the whole list at once), or in the list's order ours-online, "
                   "first-fit, best-fit; the figures are of all")
      ->check(CLI::IsMember({"ours", "ours-online", "first-fit", "best-fit"}))
      ->capture_default_str();
  CLI::Option* seconds = pack->add_option("--seconds", arguments->seconds, "To search for")
                             ->check(Between(0.01, 1e6))
                             ->capture_default_str();
  pack->add_option("--iterations", arguments->iterations,
                   "Instead: changes that each thread tries; the same plan every time")
      ->check(CLI::Range(int64_t{1}, INT64_MAX))
      ->excludes(seconds);
  pack->add_option("--seed", arguments->seed, "Of what is drawn")->check(Seed())->capture_default_str();
  pack->add_option("--threads", arguments->threads, "Searches beside each other")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  pack->add_flag("--check", arguments->shown.check, "Exit with 1 when a target is missed");
  pack->add_flag("--json", arguments->shown.json, "The figures as JSON");
  pack->callback([=, &chosen] { chosen = [=] { return RunPack(*arguments); }; });
}

}  // namespace truce::lab
