#include "lab/anomaly/commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "lab/anomaly/evaluate.h"
#include "lab/anomaly/score_file.h"
#include "lab/command_line.h"
#include "models/anomaly/anomaly_detector.h"

namespace truce::lab {
namespace {

int RunEvaluate(const std::string& directory, const OutputFormat& format) {
  const auto evaluation = EvaluateAnomalies(directory);
  if (!evaluation.ok()) return Failed(evaluation.status());
  if (!format.json) WriteAnomalyEvaluation(*evaluation, std::cout);
  return ShowFigures(AnomalyFigures(*evaluation), format.kind(), format.check, std::cout);
}

int RunAnomalies(const std::string& input, const std::string& output) {
  const auto scored = ScoreAnomalyFile(input, output);
  if (!scored.ok()) return Failed(scored.status());
  std::fprintf(stderr, "%zu values, %zu of them with a score of %g or more: alarms\n", scored->values, scored->alarms,
               AnomalyDetector::kThreshold);
  if (scored->times_backwards > 0) {
    std::fprintf(stderr, "%zu times are before the one above; those count as if no time had passed\n",
                 scored->times_backwards);
  }
  return 0;
}

}  // namespace

void AddAnomalyCommands(CLI::App& app, std::function<int()>& chosen) {
  const auto input = std::make_shared<std::string>();
  const auto output = std::make_shared<std::string>();
  CLI::App* anomalies = app.add_subcommand("anomalies", "How unusual each value of a series is, from what came before");
  anomalies->add_option("--input", *input, "CSV with the columns timestamp and value; may be compressed")->required();
  anomalies->add_option("--output", *output, "The same with the column anomaly_score, 0 to 1; 0.5 is an alarm")
      ->required();
  anomalies->callback([=, &chosen] { chosen = [=] { return RunAnomalies(*input, *output); }; });

  const auto directory = std::make_shared<std::string>();
  const auto format = std::make_shared<OutputFormat>();
  CLI::App* evaluate =
      app.get_subcommand("evaluate")
          ->add_subcommand("anomalies",
                           "How well labelled anomalies are found, by the rules of the Numenta Anomaly Benchmark");
  evaluate->add_option("DIR", *directory, "Its series, plain or packed, and combined_windows.json")->required();
  AddFormat(evaluate, *format);
  evaluate->callback([=, &chosen] { chosen = [=] { return RunEvaluate(*directory, *format); }; });
}

}  // namespace truce::lab
