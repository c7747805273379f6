#include "lab/forecast/commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "lab/command_line.h"
#include "lab/forecast/datasets.h"
#include "lab/forecast/evaluate.h"
#include "lab/forecast/forecast_file.h"
#include "lab/forecast/methods.h"
#include "lab/forecast/train_demand.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

int RunEvaluate(const EvaluateForecastsOptions& options, const OutputFormat& format) {
  const auto evaluation = EvaluateForecasts(options, std::cerr);
  if (!evaluation.ok()) return Failed(evaluation.status());
  if (format.json) {
    for (const std::string& missing : evaluation->missing) {
      std::fprintf(stderr, "not evaluated: %s\n", missing.c_str());
    }
    return ShowFigures(ForecastFigures(*evaluation, WhichFigures::kAll), format.kind(), format.check, std::cout);
  }
  WriteForecastEvaluation(*evaluation, std::cout);
  const FigureTable figures = ForecastFigures(*evaluation, WhichFigures::kWithTarget);
  if (!figures.figures().empty()) return ShowFigures(figures, format.kind(), format.check, std::cout);
  if (format.check) std::fprintf(stderr, "no target was checked: they are for the method %s\n", kOwnMethod);
  return format.check ? 1 : 0;
}

int RunForecast(const ForecastFileOptions& options) {
  const auto summary = ForecastFile(options);
  if (!summary.ok()) return Failed(summary.status());
  for (const std::string& series : summary->too_short) {
    std::fprintf(stderr, "left out: series '%s' has fewer than %zu values\n", series.c_str(), options.train_until);
  }
  std::fprintf(stderr,
               "%zu series, %zu forecasts of %zu steps by %s in %.2f s (%.0f a second); a fit took %.3f ms, a forecast "
               "%.1f us\n",
               summary->series, summary->forecasts, options.horizon, options.model.c_str(), summary->wall_seconds,
               static_cast<double>(summary->forecasts) / summary->wall_seconds,
               1e3 * summary->fit_seconds / static_cast<double>(summary->series),
               1e6 * summary->forecast_seconds / static_cast<double>(summary->forecasts));
  return 0;
}

void AddEvaluate(CLI::App& evaluate, std::function<int()>& chosen) {
  auto options = std::make_shared<EvaluateForecastsOptions>();
  auto format = std::make_shared<OutputFormat>();
  CLI::App* command = evaluate.add_subcommand(
      "forecast", "How well forecasts come true on published traces that you have, beside other methods");
  command->add_option("DIR", options->directory, "What holds the sets: bitbrains, planetlab, crane")->required();
  command->add_option("--sets", options->sets, "Which of them (default: all that are there)")
      ->delimiter(',')
      ->check(CLI::IsMember(ForecastSets()));
  command->add_option("--methods", options->methods, StrCat("Out of ", ForecastMethodNames(), " (default: all)"))
      ->delimiter(',');
  command->add_option("--targets", options->targets, "Such as cpu,memory (default: all of a set)")->delimiter(',');
  command->add_option("--series-limit", options->series_limit, "Series judged for each set and target (default: all)")
      ->check(CLI::Range(1, 1'000'000));
  command->add_option("--stride", options->stride, "Values from one forecast to the next")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--threads", options->threads, "Threads")->check(CLI::Range(1, 256))->capture_default_str();
  AddFormat(command, *format);
  command->callback(
      [options, format, &chosen] { chosen = [options, format] { return RunEvaluate(*options, *format); }; });
}

void AddForecast(CLI::App& app, std::function<int()>& chosen) {
  auto options = std::make_shared<ForecastFileOptions>();
  CLI::App* command = app.add_subcommand("forecast", "Quantiles of what series in a file will be next");
  command->add_option("--input", options->input, "CSV of series,t,value; t in seconds; may be compressed")->required();
  command->add_option("--output", options->output, "CSV of series,origin,h and the quantiles")->required();
  command
      ->add_option("--train-until", options->train_until,
                   "Values of each series that are learned from; the last is the first origin")
      ->check(CLI::Range(2, 1'000'000'000))
      ->required();
  command->add_option("--horizon", options->horizon, "Steps of each forecast")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_option("--quantiles", options->quantiles, "Ascending, between 0 and 1")
      ->delimiter(',')
      ->check(Between(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--stride", options->stride, "Values from one origin to the next")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--model", options->model, StrCat("One of ", ForecastMethodNames()))->capture_default_str();
  command->add_option("--threads", options->threads, "Threads")->check(CLI::Range(1, 256))->capture_default_str();
  command->callback([options, &chosen] { chosen = [options] { return RunForecast(*options); }; });
}

int RunTrain(const TrainDemandOptions& options) {
  const absl::Status status = TrainDemandModel(options);
  if (!status.ok()) return Failed(status);
  if (options.processes.rank == 0) std::printf("%s is written\n", options.output.c_str());
  return 0;
}

void AddProcesses(CLI::App* command, ProcessesOptions& options) {
  CLI::Option* const rank =
      command->add_option("--rank", options.rank, "Which of them this one is, from 0")->check(CLI::Range(0, 4095));
  CLI::Option* const world =
      command->add_option("--world", options.world, "How many there are")->check(CLI::Range(1, 4096));
  CLI::Option* const rendezvous =
      command->add_option("--rendezvous", options.rendezvous, "HOST:PORT of process 0, where they find each other");
  CLI::Option* const distributed =
      command->add_flag("--distributed", options.distributed, "Be one of several processes, on one machine or more")
          ->needs(rank)
          ->needs(world)
          ->needs(rendezvous);
  for (CLI::Option* const option : {rank, world, rendezvous}) option->needs(distributed);
  command->add_option("--processes", options.processes, "Train in so many processes of this machine")
      ->check(CLI::Range(1, 256))
      ->excludes(distributed)
      ->capture_default_str();
  command->add_option("--timeout", options.timeout_seconds, "Seconds that processes wait for each other")
      ->check(Between(1.0, 86400.0))
      ->capture_default_str();
}

void AddTrain(CLI::App& train, std::function<int()>& chosen) {
  auto options = std::make_shared<TrainDemandOptions>();
  CLI::App* command =
      train.add_subcommand("forecast", "Make a demand model: from made-up series, for any workload, or from history");
  command->add_option("--output", options->output, "The model")->capture_default_str();
  command->add_option("--name", options->version,
                      "What to call this version of it (default: today's date and the seed)");
  CLI::Option* const input =
      command->add_option("--input", options->inputs,
                          "History: CSV of series,t,value; may be compressed; each process reads some of the files");
  command->add_option("--most-values", options->most_values, "Of history, learned from in each process")
      ->check(CLI::Range(2'000, 1'000'000'000))
      ->capture_default_str();
  command->add_option("--series", options->series, "Made-up series")
      ->check(CLI::Range(1, 100'000))
      ->excludes(input)
      ->capture_default_str();
  command->add_option("--length", options->length, "Values of each")
      ->check(CLI::Range(300, 100'000))
      ->excludes(input)
      ->capture_default_str();
  command->add_option("--epochs", options->epochs, "Passes")->check(CLI::Range(1, 1'000))->capture_default_str();
  command->add_option("--batch", options->batch, "Pieces of series that a step learns from, in all processes together")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command
      ->add_option("--held-out", options->held_out_ratio,
                   "Part of the series that is not learned from but says which pass was best")
      ->check(Between(0.0, 0.9))
      ->capture_default_str();
  command->add_option("--patience", options->patience, "Passes without a better one that end it (0: none)")
      ->check(CLI::Range(0, 1'000))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Of everything random")->check(Seed())->capture_default_str();
  AddProcesses(command, options->processes);
  command->callback([options, &chosen] { chosen = [options] { return RunTrain(*options); }; });
}

}  // namespace

void AddForecastCommands(CLI::App& app, std::function<int()>& chosen) {
  AddForecast(app, chosen);
  AddEvaluate(*app.get_subcommand("evaluate"), chosen);
  AddTrain(*app.get_subcommand("train"), chosen);
}

}  // namespace truce::lab
