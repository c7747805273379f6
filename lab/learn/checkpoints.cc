#include "lab/learn/checkpoints.h"

#include <openssl/evp.h>

#include <array>
#include <filesystem>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "src/rpc/atomic_file.h"

namespace truce::lab {
namespace {

constexpr std::string_view kEnding = ".checkpoint";

void Describe(const ExampleList& examples, std::string* text) {
  StrAppend(text, examples.size(), "\n");
  for (const InterferenceExample* example : examples) {
    StrAppend(text, example->meeting, " ", example->moment, " ", absl::StrFormat("%.17g", example->log_slowdown), " ",
              example->victim.size());
    for (const std::string& program : example->programs) StrAppend(text, " ", program);
    for (const float input : example->victim.back()) StrAppend(text, " ", input);
    StrAppend(text, "\n");
  }
}

std::string Name(const ExampleList& training, const ExampleList& validation, const TrainingOptions& options) {
  std::string text = StrCat(TRUCE_VERSION, " ", options.seed, " ", options.most_epochs, " ", options.stop_after, " ",
                            options.patience, " ", options.batch, " ", options.learning_rate, " ", options.weight_decay,
                            " ", options.projected, " ", options.hidden, " ", options.pair, " ", options.hide_ratio,
                            " ", options.shorten_ratio, " ", options.stale_ratio, "\n");
  Describe(training, &text);
  Describe(validation, &text);
  std::array<char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), &length, EVP_sha256(), nullptr);
  constexpr size_t kBytes = 12;
  return absl::BytesToHexString({digest.data(), kBytes});
}

}  // namespace

absl::StatusOr<Checkpoints> Checkpoints::In(std::string directory) {
  std::error_code error;
  if (!directory.empty()) std::filesystem::create_directories(directory, error);
  if (error) return absl::InvalidArgumentError(StrCat("cannot make ", directory, ": ", error.message()));
  return Checkpoints(std::move(directory));
}

TrainingCheckpoint Checkpoints::Of(const ExampleList& training, const ExampleList& validation,
                                   const TrainingOptions& options) const {
  if (directory_.empty()) return {};
  const std::string file = StrCat(directory_, "/", Name(training, validation, options), kEnding);
  const auto load = [file]() -> std::optional<std::string> {
    const absl::StatusOr<std::string> state = host::ReadFile(file);
    return state.ok() ? std::optional(*state) : std::nullopt;
  };
  // A checkpoint that cannot be written costs time after the next interruption, nothing else.
  const auto save = [file](const std::string& state) {
    (void)rpc::WriteFileAtomically(file, state, 0644, rpc::IfExists::kReplace);
  };
  return {load, save};
}

void Checkpoints::Remove() const {
  if (directory_.empty()) return;
  std::error_code ignored;
  std::vector<std::filesystem::path> ours;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, ignored)) {
    if (entry.path().extension() == kEnding) ours.push_back(entry.path());
  }
  for (const auto& file : ours) std::filesystem::remove(file, ignored);
  std::filesystem::remove(directory_, ignored);
}

}  // namespace truce::lab
