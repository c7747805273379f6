#include "lab/learn/commands.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>

#include "lab/command_line.h"
#include "lab/learn/evaluate.h"
#include "lab/learn/page.h"
#include "lab/learn/train.h"
#include "models/signature_limits.h"
#include "src/base/atomic_file.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

struct Output : OutputFormat {
  // Trainings that were ended go on from here; empty: they begin anew.
  std::string checkpoints;
};

// That `file` can be made, or replaced, before hours are spent on what goes into it; and that it is not `input`.
absl::Status CheckPlace(const std::string& option, const std::string& file, const std::string& input) {
  std::error_code error;
  const std::filesystem::path directory = std::filesystem::absolute(file, error).parent_path();
  if (error || access(directory.c_str(), W_OK) != 0) {
    return absl::InvalidArgumentError(StrCat(option, " '", file, "': no file can be made there"));
  }
  const std::filesystem::file_type type = std::filesystem::status(file, error).type();
  if (type == std::filesystem::file_type::not_found) return absl::OkStatus();
  if (type != std::filesystem::file_type::regular) {
    return absl::InvalidArgumentError(StrCat(option, " ", file, ": it is there and is no file; choose another"));
  }
  if (std::filesystem::equivalent(file, input, error)) {
    return absl::InvalidArgumentError(StrCat(option, " ", file, " would replace the data set; choose another"));
  }
  return absl::OkStatus();
}

int RunEvaluate(const EvaluateOptions& options, const Output& output) {
  if (!options.html.empty()) {
    const absl::Status place = CheckPlace("--html", options.html, options.file);
    if (!place.ok()) return Failed(place);
  }
  const auto checkpoints = Checkpoints::In(output.checkpoints);
  if (!checkpoints.ok()) return Failed(checkpoints.status());
  const auto evaluation = Evaluate(options, *checkpoints, std::cerr);
  if (!evaluation.ok()) return Failed(evaluation.status());
  if (!output.json) WriteEvaluation(*evaluation, std::cout);
  const int shown = ShowFigures(EvaluationFigures(*evaluation), output.kind(), output.check, std::cout);
  if (!options.html.empty()) {
    const absl::Status written =
        WriteFileAtomically(options.html, EvaluationPage(*evaluation), 0644, IfExists::kReplace);
    if (!written.ok()) return Failed(written);
  }
  checkpoints->Remove();
  return shown;
}

int RunTrain(const TrainOptions& options) {
  for (const std::string& file : {options.output, CardOf(options.output)}) {
    if (const absl::Status place = CheckPlace("--output", file, options.file); !place.ok()) return Failed(place);
  }
  const absl::Status status = Train(options, std::cerr);
  if (!status.ok()) return Failed(status);
  std::printf("%s is written; its card beside it says how good it is\n", options.output.c_str());
  return 0;
}

void AddTrain(CLI::App& app, std::function<int()>& chosen) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App* train = app.add_subcommand("train", "Make a model that agents can use from a data set, and its card");
  // Not required of a command below train.
  const CLI::Option* const file = train->add_option("FILE", options->file, "The data set");
  train->add_option("--output", options->output, "The model")->capture_default_str();
  train
      ->add_option("--name", options->version,
                   "What to call this version of it (default: today's date and its checksum)")
      ->check([](const std::string& name) {
        const bool fits = !name.empty() && name.size() <= kMostModelName;
        return fits ? std::string() : StrCat("a version has 1 to ", kMostModelName, " bytes");
      });
  train->add_option("--held-out", options->held_out, "Programs held out at a time while it is judged")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  train->add_option("--threads", options->threads, "Threads")->check(CLI::Range(1, 256))->capture_default_str();
  train->add_option("--epochs", options->training.most_epochs, "At most so many")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  train->add_option("--checkpoints", options->checkpoints,
                    "Directory of its own; with it a training that was ended goes on");
  train->add_option("--seed", options->training.seed, "Of everything random")->check(Seed())->capture_default_str();
  train->callback([train, file, options, &chosen] {
    if (!train->get_subcommands().empty()) return;
    if (file->count() == 0) throw CLI::RequiredError("FILE");
    chosen = [options] { return RunTrain(*options); };
  });
}

}  // namespace

void AddLearningCommands(CLI::App& app, std::function<int()>& chosen) {
  AddTrain(app, chosen);
  auto options = std::make_shared<EvaluateOptions>();
  auto output = std::make_shared<Output>();
  CLI::App* evaluate = app.add_subcommand(
      "evaluate", "How well slowdowns are told for programs that training never saw, beside what others do");
  // Not required of a command below evaluate.
  const CLI::Option* const file = evaluate->add_option("FILE", options->file, "The data set");
  evaluate->add_option("--held-out", options->held_out, "Programs held out at a time")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  evaluate->add_flag_callback(
      "--families", [options] { options->by = HeldOutBy::kFamily; },
      "Hold out programs that are alike by name (stress-fft, stress-matrix) together");
  evaluate->add_option("--networks", options->networks, "Networks whose mean is judged")
      ->check(CLI::Range(1, 20))
      ->capture_default_str();
  evaluate->add_option("--threads", options->threads, "Threads")->check(CLI::Range(1, 256))->capture_default_str();
  evaluate->add_option("--bootstrap", options->bootstrap_draws, "Draws for the intervals")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  evaluate->add_option("--html", options->html, "Also write a page with pictures to this file");
  evaluate->add_option("--checkpoints", output->checkpoints,
                       "Directory of its own; with it a training that was ended goes on");
  evaluate->add_option("--seed", options->seed, "Of everything random")->check(Seed())->capture_default_str();
  AddFormat(evaluate, *output);
  evaluate->callback([evaluate, file, options, output, &chosen] {
    if (!evaluate->get_subcommands().empty()) return;
    if (file->count() == 0) throw CLI::RequiredError("FILE");
    chosen = [options, output] { return RunEvaluate(*options, *output); };
  });
}

}  // namespace truce::lab
