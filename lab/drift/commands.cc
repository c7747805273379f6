#include "lab/drift/commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "lab/command_line.h"
#include "lab/drift/evaluate.h"
#include "lab/drift/live.h"
#include "src/base/shipped.h"
#include "src/base/shutdown.h"
#include "src/base/status.h"

namespace truce::lab {
namespace {

int RunDrift(const std::string& input, const DriftOptions& options, const OutputFormat& format) {
  const auto lives = ReadDriftLives(input);
  if (!lives.ok()) return Failed(lives.status());
  const DriftEvaluation evaluation = EvaluateDrift(*lives, options);
  if (!format.json) WriteDriftEvaluation(evaluation, std::cout);
  return ShowFigures(DriftFigures(evaluation), format.kind(), format.check, std::cout);
}

struct LiveWords {
  bool live = false;
  std::string learning = "8m";
  std::string unchanged = "30m";
};

absl::Status ReadWords(const LiveWords& words, LiveDriftOptions* options) {
  constexpr absl::Duration kLeast = absl::Seconds(1);
  constexpr absl::Duration kMost = absl::Hours(7 * 24);
  TRUCE_ASSIGN_OR_RETURN(options->learning, ReadDuration("--learning", words.learning, kLeast, kMost));
  TRUCE_ASSIGN_OR_RETURN(options->unchanged, ReadDuration("--unchanged", words.unchanged, kLeast, kMost));
  return absl::OkStatus();
}

int RunLive(LiveDriftOptions options, const LiveWords& words, const OutputFormat& format) {
  if (const absl::Status status = ReadWords(words, &options); !status.ok()) return Failed(status);
  ShutdownSignals signals;
  options.binaries = OwnDirectory();
  const auto outcome = RunLiveDrift(options, signals);
  if (!outcome.ok()) {
    if (signals.signal() == 0) return Failed(outcome.status());
    std::fprintf(stderr, "\ninterrupted; everything was ended and restored\n");
    return 130;
  }
  if (!outcome->message.empty()) std::fprintf(stderr, "reported: %s\n", outcome->message.c_str());
  for (const std::string& message : outcome->false_alarms) {
    std::fprintf(stderr, "reported without a change: %s\n", message.c_str());
  }
  return ShowFigures(LiveDriftFigures(*outcome), format.kind(), format.check, std::cout);
}

}  // namespace

void AddDriftCommand(CLI::App& app, std::function<int()>& chosen) {
  const auto input = std::make_shared<std::string>();
  const auto options = std::make_shared<DriftOptions>();
  const auto format = std::make_shared<OutputFormat>();
  CLI::App* drift = app.add_subcommand(
      "drift", "How soon changes of behaviour are found in a data set, and how seldom unchanged programs alarm");
  CLI::Option* data = drift->add_option("--input", *input, "The data set, as truce-lab collect makes it");
  const auto live = std::make_shared<LiveDriftOptions>();
  const auto words = std::make_shared<LiveWords>();
  drift->add_flag("--live", words->live, "Of running programs on this host, under daemons of their own, instead")
      ->excludes(data);
  drift->add_option("--learning", words->learning, "--live: before the change")->capture_default_str();
  drift->add_option("--unchanged", words->unchanged, "--live: watched after it")->capture_default_str();
  drift->add_option("--path.cgroup,--cgroup-root", live->cgroup_root, "--live: where cgroups are mounted")
      ->capture_default_str();
  drift->add_option("--days", options->days, "Length of what is made of each life without a change, in days")
      ->check(Between(0.01, 1000.0))
      ->capture_default_str();
  drift->add_option("--changes", options->changes, "Changes of one program for another")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  drift->add_option("--seed", options->seed, "Of what is drawn")->check(Seed())->capture_default_str();
  AddFormat(drift, *format);
  drift->callback([=, &chosen] {
    if (!words->live && input->empty()) throw CLI::RequiredError("--input or --live");
    chosen = [=] { return words->live ? RunLive(*live, *words, *format) : RunDrift(*input, *options, *format); };
  });
}

}  // namespace truce::lab
