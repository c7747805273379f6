#include "lab/storage/commands.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_format.h"
#include "lab/command_line.h"
#include "lab/storage/measure.h"
#include "lab/storage/points.h"
#include "src/base/atomic_file.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

struct StorageArguments {
  std::string file;
  std::string directory;
  std::string output;
  std::string points;
  std::string time = "5m";
  uint64_t size = uint64_t{1} << 30;
  uint64_t most_written = uint64_t{32} << 30;
  // 0: no limit.
  double most_iops = 0;
  double most_bytes = 0;
  bool json = false;
  bool check = false;
};

void ShowLadders(const StorageOutcome& outcome) {
  absl::FPrintF(stdout, "%-10s %-6s %-10s %12s %12s\n", "SIZE", "READS", "DOUBLES", "EXPECTED/s", "MEASURED/s");
  for (const CheckedLadder& ladder : outcome.ladders) {
    const auto line = [&ladder](const char* what, const CheckedDoubling& doubling) {
      const std::string measured =
          doubling.measured_rate > 0 ? absl::StrFormat("%.0f", doubling.measured_rate) : std::string("not seen");
      absl::FPrintF(stdout, "%-10s %-6s %-10s %12.0f %12s\n",
                    absl::StrFormat("%.0f KiB", ladder.ladder.operation_bytes / 1024),
                    absl::StrFormat("%.0f%%", 100 * ladder.ladder.read_share), what, doubling.expected_rate, measured);
    };
    line("unloaded", ladder.from_unloaded);
    line("now", ladder.from_now);
  }
  std::fflush(stdout);
}

// Before minutes are spent on what could not be kept.
absl::Status CheckWritable(const std::string& output) {
  const std::filesystem::path directory = std::filesystem::path(Absolute(output)).parent_path();
  if (access(directory.c_str(), W_OK | X_OK) == 0) return absl::OkStatus();
  return ErrnoStatus(
      errno, StrCat("the model could not be written to ", output, ": give another --output; ", directory.string()));
}

int RunStorage(const StorageArguments& arguments) {
  ShutdownSignals signals;
  StorageOptions options;
  const auto time = ReadDuration("--time", arguments.time, absl::Seconds(1), absl::Hours(24));
  if (!time.ok()) return Failed(time.status());
  options.limits.time = *time;
  options.file = arguments.directory.empty() ? Absolute(arguments.file)
                                             : StrCat(Absolute(arguments.directory), "/truce-lab-storage.", getpid());
  options.file_bytes = arguments.size;
  options.limits.written_bytes = arguments.most_written;
  if (arguments.most_iops > 0) options.limits.operations_per_second = arguments.most_iops;
  if (arguments.most_bytes > 0) options.limits.bytes_per_second = arguments.most_bytes;
  if (const absl::Status status = CheckWritable(arguments.output); !status.ok()) return Failed(status);
  const auto outcome = MeasureStorage(options, signals);
  if (!outcome.ok()) {
    if (!absl::IsCancelled(outcome.status())) return Failed(outcome.status());
    std::fprintf(stderr, "\ninterrupted; the file is removed, and nothing was written to %s\n",
                 arguments.output.c_str());
    return 130;
  }
  const absl::Status written =
      WriteFileAtomically(arguments.output, FormatStorageModel(outcome->model.ToWire()), 0644, IfExists::kReplace);
  if (!written.ok()) return Failed(written);
  if (!arguments.points.empty()) {
    std::ofstream points(arguments.points);
    WritePoints(*outcome, points);
    if (!points.flush()) return Failed(absl::UnavailableError(StrCat("writing ", arguments.points, " failed")));
  }
  std::fprintf(stderr, "the model of %s is in %s; %llu MiB were written", outcome->model.identity().name.c_str(),
               arguments.output.c_str(), static_cast<unsigned long long>(outcome->written_bytes >> 20));
  if (outcome->disturbed > 0) std::fprintf(stderr, "; others used the disk in %d runs, left out", outcome->disturbed);
  if (outcome->too_short > 0) std::fprintf(stderr, "; the limits left %d runs too little", outcome->too_short);
  std::fprintf(stderr, "\n");
  if (!arguments.json) ShowLadders(*outcome);
  return ShowFigures(StorageFigures(*outcome), arguments.json ? FigureFormat::kJson : FigureFormat::kTable,
                     arguments.check, std::cout);
}

}  // namespace

void AddStorageCommand(CLI::App& app, std::function<int()>& chosen) {
  const auto arguments = std::make_shared<StorageArguments>();
  CLI::App* storage = app.add_subcommand(
      "storage",
      "Measure a disk's latency by IOPS, bandwidth, mix and size with fio, through a file that is removed again");
  CLI::Option* file = storage->add_option("--device-file", arguments->file, "The file to make; must not be there");
  CLI::Option* directory = storage->add_option("--directory", arguments->directory, "Where to make one");
  file->excludes(directory);
  storage->add_option("--output", arguments->output, "Where the model goes; the agent reads it from storage.models")
      ->required();
  storage->add_option("--points", arguments->points, "Where each run goes as CSV (default: nowhere)");
  storage->add_option("--size", arguments->size, "Of the file, such as 1GiB; more than the disk's cache")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(uint64_t{64} << 20, uint64_t{1} << 44))
      ->capture_default_str();
  storage->add_option("--time", arguments->time, "In all")->capture_default_str();
  storage->add_option("--most-written", arguments->most_written, "In all, such as 32GiB: what it wears the disk by")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  storage->add_option("--most-iops", arguments->most_iops, "Operations a second at most (default: what the disk does)")
      ->check(Between(1.0, 1e9));
  storage->add_option("--most-bytes", arguments->most_bytes, "Bytes a second at most (default: what the disk does)")
      ->check(Between(1e4, 1e15));
  storage->add_flag("--json", arguments->json, "The figures as JSON");
  storage->add_flag("--check", arguments->check, "Exit with 1 when a target is missed");
  storage->callback([=, &chosen] {
    if (arguments->file.empty() == arguments->directory.empty()) {
      throw CLI::ValidationError("storage", "one of --device-file and --directory is needed");
    }
    chosen = [=] { return RunStorage(*arguments); };
  });
}

}  // namespace truce::lab
