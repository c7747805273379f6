#include "lab/allocate/commands.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "lab/allocate/allocate.h"
#include "lab/command_line.h"
#include "src/base/shipped.h"
#include "src/base/shutdown.h"
#include "src/base/status.h"

namespace truce::lab {
namespace {

struct Words {
  std::string period = "60s";
  std::string burst = "10s";
};

// A burst is to be seen in what the agent samples, and rests are to be told from it.
absl::Status ReadWords(const Words& words, AllocateOptions* options) {
  constexpr absl::Duration kLeastBurst = absl::Seconds(2);
  constexpr absl::Duration kMostPeriod = absl::Hours(24);
  constexpr int kLeastPeriod = 3;
  TRUCE_ASSIGN_OR_RETURN(options->burst, ReadDuration("--burst", words.burst, kLeastBurst, kMostPeriod / kLeastPeriod));
  TRUCE_ASSIGN_OR_RETURN(options->period,
                         ReadDuration("--period", words.period, kLeastPeriod * options->burst, kMostPeriod));
  return absl::OkStatus();
}

int RunAllocate(AllocateOptions options, const Words& words, const OutputFormat& format) {
  if (const absl::Status status = ReadWords(words, &options); !status.ok()) return Failed(status);
  ShutdownSignals signals;
  if (options.binaries.empty()) options.binaries = OwnDirectory();
  const auto outcome = RunAllocation(options, signals);
  if (!outcome.ok()) {
    if (signals.signal() == 0) return Failed(outcome.status());
    std::fprintf(stderr, "\ninterrupted; everything was ended and restored\n");
    return 130;
  }
  return ShowFigures(AllocationFigures(*outcome), format.kind(), format.check, std::cout);
}

}  // namespace

void AddAllocateCommand(CLI::App& app, std::function<int()>& chosen) {
  CLI::App* command = app.add_subcommand(
      "allocate", "Bursts under a quota that looks ahead, beside one that only follows what was used");
  const auto options = std::make_shared<AllocateOptions>();
  const auto words = std::make_shared<Words>();
  const auto format = std::make_shared<OutputFormat>();
  command->add_option("--period", words->period, "From burst to burst")->capture_default_str();
  command->add_option("--burst", words->burst, "How long one lasts")->capture_default_str();
  command->add_option("--learning", options->learning, "Bursts that are not judged")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command->add_option("--bursts", options->bursts, "Bursts after those")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--path.cgroup,--cgroup-root", options->cgroup_root, "Where cgroups are mounted")
      ->capture_default_str();
  AddFormat(command, *format);
  command->callback([&chosen, options, words, format] {
    chosen = [options, words, format] { return RunAllocate(*options, *words, *format); };
  });
}

}  // namespace truce::lab
