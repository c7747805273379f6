#include "lab/pack/commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "lab/command_line.h"
#include "lab/pack/pack_roadef.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

struct PackArguments {
  std::string format;
  std::vector<std::string> files;
  std::string output;
  double seconds = 60;
  int64_t iterations = 0;
  uint64_t seed = 1;
  int threads = 2;
  OutputFormat shown;
};

int RunPack(const PackArguments& arguments) {
  controller::pack::AnnealOptions options;
  options.time = absl::Seconds(arguments.seconds);
  options.seed = arguments.seed;
  options.threads = arguments.threads;
  if (arguments.iterations > 0) {
    options.iterations = arguments.iterations;
    options.time = absl::InfiniteDuration();
  }
  const auto figures = PackRoadef({arguments.files[0], arguments.files[1], arguments.output}, options);
  if (!figures.ok()) return Failed(figures.status());
  return ShowFigures(*figures, arguments.shown.kind(), arguments.shown.check, std::cout);
}

}  // namespace

void AddPackCommands(CLI::App& app, std::function<int()>& chosen) {
  const auto arguments = std::make_shared<PackArguments>();
  CLI::App* pack = app.add_subcommand("pack", "Pack a published problem with the controller's optimizer");
  pack->footer(
      "  truce-lab pack --format roadef model.txt initial.txt --seconds 60 --seed 1 --output new.txt\n"
      "\nroadef: the model and the initial assignment of the ROADEF/EURO challenge 2012");
  pack->add_option("--format", arguments->format, "roadef")->required()->check(CLI::IsMember({"roadef"}));
  pack->add_option("files", arguments->files, "MODEL INITIAL")->required()->expected(2);
  pack->add_option("--output", arguments->output, "Where the new assignment goes")->required();
  CLI::Option* seconds = pack->add_option("--seconds", arguments->seconds, "To search for")
                             ->check(CLI::Range(0.01, 1e6))
                             ->capture_default_str();
  pack->add_option("--iterations", arguments->iterations,
                   "Instead: changes that each thread tries; the same plan every time")
      ->check(CLI::Range(int64_t{1}, INT64_MAX))
      ->excludes(seconds);
  pack->add_option("--seed", arguments->seed, "Of what is drawn")->capture_default_str();
  pack->add_option("--threads", arguments->threads, "Searches beside each other")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  pack->add_flag("--json", arguments->shown.json, "The figures as JSON");
  pack->callback([=, &chosen] { chosen = [=] { return RunPack(*arguments); }; });
}

}  // namespace truce::lab
