#include "lab/retrain/commands.h"

#include <google/protobuf/util/json_util.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "lab/command_line.h"
#include "lab/retrain/retrain.h"

namespace truce::lab {
namespace {

int RunRetrain(const RetrainOptions& options) {
  const auto verdict = Retrain(options);
  if (!verdict.ok()) return Failed(verdict.status());
  google::protobuf::util::JsonPrintOptions format;
  format.preserve_proto_field_names = true;
  format.always_print_primitive_fields = true;
  std::string text;
  const auto written = google::protobuf::util::MessageToJsonString(*verdict, &text, format);
  if (!written.ok()) return Failed(absl::InternalError(written.ToString()));
  std::printf("%s\n", text.c_str());
  std::fprintf(stderr, "%s\n", verdict->sentence().c_str());
  return 0;
}

}  // namespace

void AddRetrainCommand(CLI::App& app, std::function<int()>& chosen) {
  auto options = std::make_shared<RetrainOptions>();
  CLI::App* command = app.add_subcommand(
      "retrain", "Tune a demand model on what a fleet used, and judge by the newest of it whether that made it better");
  command->add_option("--champion", options->champion, "The model in use; it is only read")->required();
  command
      ->add_option("--input", options->input,
                   "What was used: the controller's history, or a CSV of series,t,value; may be compressed")
      ->required();
  command->add_option("--output", options->output, "Where the tuned model goes");
  command->add_option("--challenger", options->challenger, "Judge this model instead of tuning one");
  command->add_option("--name", options->version, "What to call the tuned model (default: the time)");
  command->add_option("--epochs", options->epochs, "Passes")->check(CLI::Range(1, 1'000))->capture_default_str();
  command->add_option("--threads", options->threads, "Threads that judge")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Of everything random")->check(Seed())->capture_default_str();
  command->callback([options, &chosen] { chosen = [options] { return RunRetrain(*options); }; });
}

}  // namespace truce::lab
