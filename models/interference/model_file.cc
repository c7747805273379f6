#include "models/interference/model_file.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "models/signature_limits.h"
#include "models/weights/model_bytes.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "truce/v1/model.pb.h"

namespace truce {
namespace {

constexpr uint32_t kFormat = 3;
constexpr std::string_view kMagic = "TRUCEIM1";
// Another CPU's vector units round differently.
constexpr float kTolerance = 1e-3F;
// Beyond these, what is computed may not be finite, or takes as long as an agent must not.
constexpr float kMostIntervalDeviations = 1e3F;
constexpr int kMostReferences = 2048;
constexpr int kMostDistances = 65536;
constexpr size_t kMostSelfTestSteps = 1024;

// Calls `body(name, matrix)` for each matrix of the weights.
template <typename Weights, typename Body>
void ForEach(Weights& weights, Familiarity& familiarity, const Body& body) {
  body("project", weights.project);
  body("project_bias", weights.project_bias);
  body("input_gates", weights.cell.input_gates);
  body("hidden_gates", weights.cell.hidden_gates);
  body("gate_bias", weights.cell.gate_bias);
  body("victim", weights.victim);
  body("aggressor", weights.aggressor);
  body("context", weights.context);
  body("pair_bias", weights.pair_bias);
  body("slowdown", weights.slowdown);
  body("slowdown_bias", weights.slowdown_bias);
  body("spread", weights.spread);
  body("spread_bias", weights.spread_bias);
  body("base_spread", weights.base_spread);
  body("familiarity_mean", familiarity.mean);
  body("familiarity_whiten", familiarity.whiten);
}

// Whether the matrices fit together.
bool Consistent(const InterferenceWeights& w, const Familiarity& f) {
  const auto inputs = static_cast<Eigen::Index>(kModelInputs);
  const auto resources = static_cast<Eigen::Index>(kResourceCount);
  const auto shared = static_cast<Eigen::Index>(kPairInputs);
  const Eigen::Index projected = w.projected();
  const Eigen::Index hidden = w.hidden();
  const Eigen::Index fingerprint = w.fingerprint();
  const Eigen::Index pair = w.pair();
  const auto is = [](const auto& matrix, Eigen::Index rows, Eigen::Index columns) {
    return matrix.rows() == rows && matrix.cols() == columns && IsSoundMatrix(matrix);
  };
  return projected > 0 && hidden > 0 && pair > 0 && is(w.project, projected, inputs) &&
         is(w.project_bias, 1, projected) && is(w.cell.input_gates, 4 * hidden, projected) &&
         is(w.cell.hidden_gates, 4 * hidden, hidden) && is(w.cell.gate_bias, 1, 4 * hidden) &&
         is(w.victim, 2 * pair, fingerprint) && is(w.aggressor, 2 * pair, fingerprint) &&
         is(w.context, 2 * pair, shared) && is(w.pair_bias, 1, 2 * pair) && is(w.slowdown, resources, pair) &&
         is(w.slowdown_bias, 1, resources) && is(w.spread, 1, pair) && is(w.spread_bias, 1, 1) &&
         is(w.base_spread, 1, 1) && is(f.mean, 1, fingerprint) && is(f.whiten, fingerprint, fingerprint);
}

absl::Status CheckFeatures(const v1::InterferenceModelFile& message, std::string_view name) {
  bool same = message.features_size() == static_cast<int>(kFeatureCount);
  for (int i = 0; same && i < message.features_size(); ++i) {
    same = message.features(i) == FeatureName(static_cast<size_t>(i));
  }
  if (same) return absl::OkStatus();
  return absl::FailedPreconditionError(StrCat(
      name, " was trained on other features than this version of Truce makes; install the model of this version"));
}

std::optional<FeatureGroup> GroupNamed(std::string_view name) {
  for (size_t i = 0; i < kFeatureGroupCount; ++i) {
    if (FeatureGroupName(static_cast<FeatureGroup>(i)) == name) return static_cast<FeatureGroup>(i);
  }
  return std::nullopt;
}

absl::Status RunSelfTest(const v1::ModelSelfTest& test, std::string_view name, InterferenceModel* model) {
  const size_t values = static_cast<size_t>(test.inputs_size());
  if (values == 0 || values % (2 * kModelInputs) != 0 || test.context_size() != static_cast<int>(PairContext::kSize) ||
      test.by_resource_size() != static_cast<int>(kResourceCount)) {
    return DamagedModel(name, "its self-test is incomplete");
  }
  InterferenceExample example;
  example.aggressors.resize(1);
  const size_t steps = values / (2 * kModelInputs);
  if (steps > kMostSelfTestSteps) return DamagedModel(name, StrCat("its self-test has ", steps, " steps"));
  for (size_t i = 0; i < 2 * steps; ++i) {
    ModelInput input;
    std::copy_n(test.inputs().data() + i * kModelInputs, kModelInputs, input.begin());
    (i < steps ? example.victim : example.aggressors[0]).push_back(input);
  }
  example.contexts.push_back({test.context(0), test.context(1), test.context(2), test.context(3), test.context(4)});
  const InterferencePrediction got = model->Predict(example);
  const auto near = [](double a, double b) { return std::abs(a - b) <= kTolerance * (1 + std::abs(b)); };
  bool same = near(got.probability, test.probability_ratio()) &&
              near(got.deviation * got.deviation - model->base_variance(), test.variance());
  for (size_t r = 0; r < kResourceCount; ++r) {
    same = same && near(got.by_resource[r], test.by_resource(static_cast<int>(r)));
  }
  if (same) return absl::OkStatus();
  return FailedSelfTest(name);
}

}  // namespace

std::string SerializeModel(const ModelFile& file, const InterferenceExample& example) {
  v1::InterferenceModelFile message;
  message.set_format(kFormat);
  message.set_version(file.version);
  message.set_machine(file.machine);
  for (size_t i = 0; i < kFeatureCount; ++i) message.add_features(std::string(FeatureName(i)));
  InterferenceWeights weights = file.model.weights();
  Familiarity familiarity = file.model.familiarity();
  ForEach(weights, familiarity,
          [&message](const char* name, const auto& matrix) { *message.add_tensors() = ToTensor(name, matrix); });
  message.set_calibration_slope(file.model.calibration().slope);
  message.set_calibration_intercept(file.model.calibration().intercept);
  message.set_interval_deviations(file.model.calibration().interval_deviations);
  message.mutable_familiarity_distances()->Add(familiarity.distances.begin(), familiarity.distances.end());
  for (const Skill& skill : file.skills) {
    v1::ModelSkill& entry = *message.add_skills();
    for (const FeatureGroup group : skill.missing) entry.add_missing_groups(std::string(FeatureGroupName(group)));
    entry.set_accuracy_ratio(skill.accuracy);
    entry.set_auc(skill.auc);
  }
  for (const ModelReference& reference : file.references) {
    v1::ModelReference& entry = *message.add_references();
    entry.set_name(reference.name);
    entry.set_kind(reference.kind);
    entry.mutable_fingerprint()->Add(reference.fingerprint.data(),
                                     reference.fingerprint.data() + reference.fingerprint.size());
  }
  InterferenceExample pair = example;
  pair.aggressors.resize(1);
  pair.contexts.resize(1);
  const size_t steps = std::min(pair.victim.size(), pair.aggressors[0].size());
  v1::ModelSelfTest& test = *message.mutable_self_test();
  for (InputSequence* sequence : {&pair.victim, &pair.aggressors[0]}) {
    sequence->erase(sequence->begin(), sequence->end() - static_cast<std::ptrdiff_t>(steps));
    for (const ModelInput& input : *sequence) test.mutable_inputs()->Add(input.begin(), input.end());
  }
  for (const float share : pair.contexts[0].ToArray()) test.add_context(share);
  InterferenceModel model = file.model;
  const InterferencePrediction expected = model.Predict(pair);
  for (const double one : expected.by_resource) test.add_by_resource(static_cast<float>(one));
  test.set_variance(static_cast<float>(expected.deviation * expected.deviation) - model.base_variance());
  test.set_probability_ratio(static_cast<float>(expected.probability));
  return WrapModel(kMagic, message);
}

absl::StatusOr<ModelFile> ParseModel(std::string_view bytes, std::string_view name) {
  v1::InterferenceModelFile message;
  TRUCE_RETURN_IF_ERROR(UnwrapModel(bytes, kMagic, name, &message));
  TRUCE_RETURN_IF_ERROR(CheckModelFormat(message.format(), kFormat, name));
  TRUCE_RETURN_IF_ERROR(CheckFeatures(message, name));
  const TensorReader tensors(message.tensors(), name);
  InterferenceWeights weights;
  Familiarity familiarity;
  absl::Status status;
  ForEach(weights, familiarity, [&](const char* tensor, auto& matrix) {
    if (status.ok()) status = tensors.Take(tensor, &matrix);
  });
  TRUCE_RETURN_IF_ERROR(status);
  if (!Consistent(weights, familiarity)) return DamagedModel(name, "its matrices do not fit together");
  if (message.version().empty() || message.version().size() > kMostModelName) {
    return DamagedModel(name, StrCat("its version should have 1 to ", kMostModelName, " bytes"));
  }
  if (weights.fingerprint() > kMostEmbedding) {
    return DamagedModel(name,
                        StrCat("its fingerprints have ", weights.fingerprint(), " values; at most ", kMostEmbedding));
  }
  familiarity.distances.assign(message.familiarity_distances().begin(), message.familiarity_distances().end());
  const Calibration calibration{message.calibration_slope(), message.calibration_intercept(),
                                message.interval_deviations()};
  if (!std::isfinite(calibration.slope) || !std::isfinite(calibration.intercept) ||
      !(calibration.interval_deviations > 0 && calibration.interval_deviations <= kMostIntervalDeviations)) {
    return DamagedModel(name, "its calibration is not made of sound numbers");
  }
  if (message.familiarity_distances_size() > kMostDistances) return DamagedModel(name, "it has too many distances");
  if (!std::is_sorted(familiarity.distances.begin(), familiarity.distances.end()) ||
      !std::all_of(familiarity.distances.begin(), familiarity.distances.end(),
                   [](float d) { return std::isfinite(d); })) {
    return DamagedModel(name, "its distances are not in order");
  }
  ModelFile file{message.version(),
                 message.machine(),
                 {},
                 InterferenceModel(std::move(weights), calibration, std::move(familiarity))};
  for (const v1::ModelSkill& entry : message.skills()) {
    Skill& skill = file.skills.emplace_back();
    skill.accuracy = entry.accuracy_ratio();
    skill.auc = entry.auc();
    if (!(skill.accuracy >= 0 && skill.accuracy <= 1))
      return DamagedModel(name, "it says that it is right more than always");
    for (const std::string& group : entry.missing_groups()) {
      if (const auto known = GroupNamed(group)) skill.missing.push_back(*known);
    }
  }
  if (message.references_size() > kMostReferences) {
    return DamagedModel(name, StrCat("it has ", message.references_size(), " references; at most ", kMostReferences));
  }
  std::set<std::string> kinds;
  for (const v1::ModelReference& entry : message.references()) {
    if (entry.fingerprint_size() != file.model.fingerprint()) {
      return DamagedModel(name, StrCat("its reference ", entry.name(), " has a fingerprint of another size"));
    }
    if (std::max(entry.name().size(), entry.kind().size()) > kMostName) {
      return DamagedModel(name, StrCat("one of its references has a name of more than ", kMostName, " bytes"));
    }
    kinds.insert(entry.kind());
    file.references.push_back(
        {entry.name(), entry.kind(), Eigen::Map<const Row>(entry.fingerprint().data(), entry.fingerprint_size())});
    if (!IsSoundMatrix(file.references.back().fingerprint)) {
      return DamagedModel(name, StrCat("its reference ", entry.name(), " is not made of numbers"));
    }
  }
  if (file.model.base_variance() <= 0) return DamagedModel(name, "it is never unsure");
  if (kinds.size() > kMostKinds) return DamagedModel(name, StrCat("it knows ", kinds.size(), " kinds of programs"));
  TRUCE_RETURN_IF_ERROR(RunSelfTest(message.self_test(), name, &file.model));
  return file;
}

double AccuracyWithout(const std::vector<Skill>& skills, const std::vector<FeatureGroup>& missing) {
  double accuracy = 0;
  size_t extra = kFeatureGroupCount + 1;
  for (const Skill& skill : skills) {
    const bool covers = std::all_of(missing.begin(), missing.end(), [&](FeatureGroup group) {
      return std::find(skill.missing.begin(), skill.missing.end(), group) != skill.missing.end();
    });
    const size_t more = skill.missing.size() - std::min(skill.missing.size(), missing.size());
    if (!covers || more >= extra) continue;
    extra = more;
    accuracy = skill.accuracy;
  }
  return accuracy;
}

}  // namespace truce
