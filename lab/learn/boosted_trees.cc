#include <xgboost/c_api.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "lab/learn/predictor.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr int kMostRounds = 400;
constexpr int kPatience = 30;

absl::Status Check(int result) {
  if (result == 0) return absl::OkStatus();
  return absl::InternalError(StrCat("XGBoost: ", XGBGetLastError()));
}

class Matrix {
 public:
  static absl::StatusOr<Matrix> Make(const ExampleList& examples, bool hurt) {
    std::vector<float> values;
    std::vector<float> labels;
    for (const InterferenceExample* example : examples) {
      const std::vector<float> row = FlatFeatures(*example);
      values.insert(values.end(), row.begin(), row.end());
      const bool noticed = example->log_slowdown >= std::log1p(kNoticedSlowdown);
      labels.push_back(hurt ? (noticed ? 1.0F : 0.0F) : static_cast<float>(example->log_slowdown));
    }
    Matrix matrix;
    TRUCE_RETURN_IF_ERROR(Check(
        XGDMatrixCreateFromMat(values.data(), examples.size(), values.size() / examples.size(), NAN, &matrix.handle_)));
    TRUCE_RETURN_IF_ERROR(Check(XGDMatrixSetFloatInfo(matrix.handle_, "label", labels.data(), labels.size())));
    return matrix;
  }
  Matrix(Matrix&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Matrix& operator=(Matrix&&) = delete;
  ~Matrix() {
    if (handle_ != nullptr) XGDMatrixFree(handle_);
  }
  DMatrixHandle get() const { return handle_; }

 private:
  Matrix() = default;
  DMatrixHandle handle_ = nullptr;
};

// Trees for one target; the number of rounds is the best on the validation data.
class Booster {
 public:
  Booster(std::string objective, std::string metric, uint64_t seed)
      : objective_(std::move(objective)), metric_(std::move(metric)), seed_(seed) {}
  Booster(const Booster&) = delete;
  Booster& operator=(const Booster&) = delete;
  ~Booster() {
    if (handle_ != nullptr) XGBoosterFree(handle_);
  }

  absl::Status Fit(const ExampleList& training, const ExampleList& validation, bool hurt) {
    TRUCE_ASSIGN_OR_RETURN(const Matrix known, Matrix::Make(training, hurt));
    TRUCE_ASSIGN_OR_RETURN(const Matrix held_out, Matrix::Make(validation, hurt));
    const DMatrixHandle both[] = {known.get(), held_out.get()};
    TRUCE_RETURN_IF_ERROR(Begin({known.get(), held_out.get()}));
    double least = INFINITY;
    for (int round = 0; round < kMostRounds && round <= rounds_ + kPatience; ++round) {
      TRUCE_RETURN_IF_ERROR(Check(XGBoosterUpdateOneIter(handle_, round, known.get())));
      const char* names[] = {"training", "validation"};
      const char* said = nullptr;
      TRUCE_RETURN_IF_ERROR(
          Check(XGBoosterEvalOneIter(handle_, round, const_cast<DMatrixHandle*>(both), names, 2, &said)));
      // "[3]\ttraining-rmse:0.5\tvalidation-rmse:0.6"
      const std::string line = said;
      double loss = 0;
      if (!absl::SimpleAtod(line.substr(line.rfind(':') + 1), &loss)) {
        return absl::InternalError(StrCat("XGBoost: no loss in '", line, "'"));
      }
      if (loss >= least) continue;
      least = loss;
      rounds_ = round;
    }
    // Once it is known when to stop, the programs that said so are learned from too.
    ExampleList all = training;
    all.insert(all.end(), validation.begin(), validation.end());
    TRUCE_ASSIGN_OR_RETURN(const Matrix whole, Matrix::Make(all, hurt));
    TRUCE_RETURN_IF_ERROR(Check(XGBoosterFree(std::exchange(handle_, nullptr))));
    TRUCE_RETURN_IF_ERROR(Begin({whole.get()}));
    for (int round = 0; round <= rounds_; ++round) {
      TRUCE_RETURN_IF_ERROR(Check(XGBoosterUpdateOneIter(handle_, round, whole.get())));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<double>> Predict(const ExampleList& examples) const {
    TRUCE_ASSIGN_OR_RETURN(const Matrix matrix, Matrix::Make(examples, false));
    bst_ulong count = 0;
    const float* values = nullptr;
    TRUCE_RETURN_IF_ERROR(
        Check(XGBoosterPredict(handle_, matrix.get(), 0, static_cast<unsigned>(rounds_ + 1), 0, &count, &values)));
    return std::vector<double>(values, values + count);
  }

 private:
  absl::Status Begin(const std::vector<DMatrixHandle>& data) {
    TRUCE_RETURN_IF_ERROR(Check(XGBoosterCreate(data.data(), data.size(), &handle_)));
    const std::pair<const char*, std::string> settings[] = {
        {"objective", objective_}, {"eval_metric", metric_},    {"eta", "0.05"},           {"max_depth", "4"},
        {"subsample", "0.8"},      {"colsample_bytree", "0.5"}, {"min_child_weight", "4"}, {"lambda", "2"},
        {"nthread", "1"},          {"verbosity", "0"},          {"seed", StrCat(seed_)}};
    for (const auto& [name, value] : settings) {
      TRUCE_RETURN_IF_ERROR(Check(XGBoosterSetParam(handle_, name, value.c_str())));
    }
    return absl::OkStatus();
  }

  const std::string objective_;
  const std::string metric_;
  const uint64_t seed_;
  BoosterHandle handle_ = nullptr;
  int rounds_ = 0;
};

class BoostedTreesPredictor : public Predictor {
 public:
  explicit BoostedTreesPredictor(uint64_t seed)
      : size_("reg:squarederror", "mae", seed), hurt_("binary:logistic", "logloss", seed) {}
  absl::Status Fit(const ExampleList& training, const ExampleList& validation) override {
    TRUCE_RETURN_IF_ERROR(size_.Fit(training, validation, false));
    return hurt_.Fit(training, validation, true);
  }
  absl::StatusOr<std::vector<InterferencePrediction>> Predict(const ExampleList& examples) override {
    std::vector<InterferencePrediction> predictions(examples.size());
    if (examples.empty()) return predictions;
    TRUCE_ASSIGN_OR_RETURN(const std::vector<double> sizes, size_.Predict(examples));
    TRUCE_ASSIGN_OR_RETURN(const std::vector<double> probabilities, hurt_.Predict(examples));
    for (size_t i = 0; i < examples.size(); ++i) {
      predictions[i].log_slowdown = std::max(0.0, sizes[i]);
      predictions[i].probability = probabilities[i];
    }
    return predictions;
  }

 private:
  Booster size_;
  Booster hurt_;
};

}  // namespace

std::unique_ptr<Predictor> NewBoostedTreesPredictor(uint64_t seed) {
  return std::make_unique<BoostedTreesPredictor>(seed);
}

}  // namespace truce::lab
