#include "lab/learn/checkpoints.h"

#include <openssl/evp.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <utility>

#include "absl/strings/escaping.h"
#include "src/base/atomic_file.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::lab {
namespace {

class Digest {
 public:
  Digest() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }
  void Add(const void* bytes, size_t size) { EVP_DigestUpdate(context_.get(), bytes, size); }
  void Add(std::string_view text) {
    Add(double(text.size()));
    Add(text.data(), text.size());
  }
  void Add(double value) { Add(&value, sizeof value); }
  std::string Hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
    constexpr size_t kBytes = 12;
    return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), kBytes});
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

void Add(const InputSequence& sequence, Digest* digest) {
  digest->Add(static_cast<double>(sequence.size()));
  for (const ModelInput& input : sequence) digest->Add(input.data(), sizeof input);
}

void Add(const ExampleList& examples, Digest* digest) {
  digest->Add(static_cast<double>(examples.size()));
  for (const InterferenceExample* example : examples) {
    Add(example->victim, digest);
    for (const InputSequence& aggressor : example->aggressors) Add(aggressor, digest);
    for (const PairContext& context : example->contexts) {
      for (const float share : context.ToArray()) digest->Add(share);
    }
    for (const float share : example->resources) digest->Add(share);
    for (const double value : {example->log_slowdown, example->error, example->moment}) digest->Add(value);
    for (const std::string& program : example->programs) digest->Add(program);
  }
}

std::string Name(const ExampleList& training, const ExampleList& validation, const TrainingOptions& options) {
  Digest digest;
  for (const double value :
       {double{kTrainingFormat}, static_cast<double>(options.seed), double(options.most_epochs),
        double(options.stop_after), double(options.patience), double(options.least_epochs), double(options.batch),
        options.learning_rate, options.weight_decay, double(options.projected), double(options.hidden),
        double(options.pair), options.hide_ratio, options.shorten_ratio, options.stale_ratio, options.dropout,
        options.noise}) {
    digest.Add(value);
  }
  Add(training, &digest);
  Add(validation, &digest);
  return digest.Hex();
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
  const std::string file = StrCat(directory_, "/", Name(training, validation, options), ".checkpoint");
  {
    const std::lock_guard lock(used_->mutex);
    used_->files.insert(file);
  }
  TrainingCheckpoint checkpoint;
  checkpoint.load = [file]() -> std::optional<std::string> {
    const absl::StatusOr<std::string> state = host::ReadFile(file);
    return state.ok() ? std::optional(*state) : std::nullopt;
  };
  checkpoint.refused = [file](const std::string& why) {
    std::fprintf(stderr, "%s is damaged, so this training begins anew: %s\n", file.c_str(), why.c_str());
  };
  checkpoint.save = [file, used = used_](const std::string& state) {
    const absl::Status saved = WriteFileAtomically(file, state, 0644, IfExists::kReplace);
    const std::lock_guard lock(used->mutex);
    if (saved.ok() || std::exchange(used->told_unwritable, true)) return;
    std::fprintf(stderr, "checkpoints can't be written, so an interrupted training would begin anew: %s\n",
                 std::string(saved.message()).c_str());
  };
  return checkpoint;
}

void Checkpoints::Remove() const {
  if (directory_.empty()) return;
  const std::lock_guard lock(used_->mutex);
  std::error_code ignored;
  for (const std::string& file : used_->files) std::filesystem::remove(file, ignored);
  if (std::filesystem::is_empty(directory_, ignored)) std::filesystem::remove(directory_, ignored);
}

}  // namespace truce::lab
