#include "lab/learn/commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "lab/learn/evaluate.h"

namespace truce::lab {
namespace {

int Failed(const absl::Status& status) {
  std::fprintf(stderr, "truce-lab: %s\n", std::string(status.message()).c_str());
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

struct Output {
  bool json = false;
  bool check = false;
};

int RunEvaluate(const EvaluateOptions& options, const Output& output) {
  const auto evaluation = Evaluate(options, std::cerr);
  if (!evaluation.ok()) return Failed(evaluation.status());
  if (!output.json) WriteEvaluation(*evaluation, std::cout);
  return ShowFigures(EvaluationFigures(*evaluation), output.json ? FigureFormat::kJson : FigureFormat::kTable,
                     output.check, std::cout);
}

}  // namespace

void AddLearningCommands(CLI::App& app, std::function<int()>& chosen) {
  auto options = std::make_shared<EvaluateOptions>();
  auto output = std::make_shared<Output>();
  CLI::App* evaluate = app.add_subcommand(
      "evaluate", "How well slowdowns are told for programs that training never saw, beside what others do");
  evaluate->add_option("FILE", options->file, "The data set")->required();
  evaluate->add_option("--held-out", options->held_out, "Programs held out at a time")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  evaluate->add_option("--networks", options->networks, "Networks whose mean is judged")
      ->check(CLI::Range(1, 20))
      ->capture_default_str();
  evaluate->add_option("--threads", options->threads, "Threads")->check(CLI::Range(1, 256))->capture_default_str();
  evaluate->add_option("--bootstrap", options->bootstrap_draws, "Draws for the intervals")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  evaluate->add_option("--seed", options->seed, "Of everything random")->capture_default_str();
  evaluate
      ->add_option_function<std::string>(
          "-o,--output", [output](const std::string& format) { output->json = format == "json"; }, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  evaluate->add_flag("--check", output->check, "Exit with 1 when a target is missed");
  evaluate->callback([options, output, &chosen] { chosen = [options, output] { return RunEvaluate(*options, *output); }; });
}

}  // namespace truce::lab
