#include "lab/drift/commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "lab/command_line.h"
#include "lab/drift/evaluate.h"

namespace truce::lab {
namespace {

int RunDrift(const std::string& input, const DriftOptions& options, const OutputFormat& format) {
  const auto lives = ReadDriftLives(input);
  if (!lives.ok()) return Failed(lives.status());
  const DriftEvaluation evaluation = EvaluateDrift(*lives, options);
  if (!format.json) WriteDriftEvaluation(evaluation, std::cout);
  return ShowFigures(DriftFigures(evaluation), format.kind(), format.check, std::cout);
}

}  // namespace

void AddDriftCommand(CLI::App& app, std::function<int()>& chosen) {
  const auto input = std::make_shared<std::string>();
  const auto options = std::make_shared<DriftOptions>();
  const auto format = std::make_shared<OutputFormat>();
  CLI::App* drift = app.add_subcommand(
      "drift", "How soon changes of behaviour are found in a data set, and how seldom unchanged programs alarm");
  drift->add_option("--input", *input, "The data set, as truce-lab collect makes it")->required();
  drift->add_option("--days", options->days, "Length of what is made of each life without a change, in days")
      ->check(CLI::Range(0.01, 1000.0))
      ->capture_default_str();
  drift->add_option("--changes", options->changes, "Changes of one program for another")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  drift->add_option("--seed", options->seed, "Of what is drawn")->capture_default_str();
  AddFormat(drift, *format);
  drift->callback([=, &chosen] { chosen = [=] { return RunDrift(*input, *options, *format); }; });
}

}  // namespace truce::lab
