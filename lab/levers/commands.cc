#include "lab/levers/commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>

#include "lab/command_line.h"
#include "lab/levers/levers.h"
#include "src/base/shipped.h"
#include "src/base/shutdown.h"

namespace truce::lab {
namespace {

int RunLevers(LeversOptions options, const OutputFormat& format) {
  ShutdownSignals signals;
  if (options.pairs.empty()) options.pairs = ShippedPath("lever-pairs");
  options.work_directory = Absolute(options.work_directory);
  const auto outcomes = TryLevers(options, signals);
  if (!outcomes.ok()) return absl::IsCancelled(outcomes.status()) ? 130 : Failed(outcomes.status());
  for (const LeverOutcome& outcome : *outcomes) {
    if (!outcome.left_out.empty())
      std::fprintf(stderr, "left out: %s: %s\n", outcome.pair.name.c_str(), outcome.left_out.c_str());
    if (!outcome.failed.empty())
      std::fprintf(stderr, "truce-lab: %s failed: %s\n", outcome.pair.name.c_str(), outcome.failed.c_str());
  }
  const FigureTable table = LeverFigures(*outcomes);
  const int code = ShowFigures(table, format.kind(), format.check, std::cout);
  const bool failed = std::any_of(outcomes->begin(), outcomes->end(),
                                  [](const LeverOutcome& outcome) { return !outcome.failed.empty(); });
  if (!failed && !table.figures().empty()) return code;
  if (!failed) std::fprintf(stderr, "truce-lab: nothing was measured\n");
  return 1;
}

}  // namespace

void AddLeversCommand(CLI::App& app, std::function<int()>& chosen) {
  CLI::App* command =
      app.add_subcommand("levers", "Each lever on a real pair of programs that contend for what it bounds");
  const auto levers = std::make_shared<LeversOptions>();
  const auto format = std::make_shared<OutputFormat>();
  command->add_option("--only", levers->only, "Names of pairs (default: all)")->delimiter(',');
  command->add_option("--rounds", levers->rounds, "Of each")->check(CLI::Range(1, 1000))->capture_default_str();
  command->add_option("--pairs", levers->pairs, "Directory of pair descriptions (default: those shipped)");
  command->add_option("--work-directory", levers->work_directory, "Where their input is made")->capture_default_str();
  AddFormat(command, *format);
  command->callback([&chosen, levers, format] { chosen = [levers, format] { return RunLevers(*levers, *format); }; });
}

}  // namespace truce::lab
