#include "models/forecast/demand_model_file.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "src/base/status.h"
#include "src/base/text.h"
#include "truce/v1/model.pb.h"

namespace truce {
namespace {

constexpr uint32_t kFormat = 1;
constexpr std::string_view kMagic = "TRUCEDM1";
static_assert(kMagic.size() == kModelMagicBytes);
// Another CPU's vector units round differently.
constexpr float kTolerance = 1e-3F;
// Of a day with a burst in it.
constexpr int kSelfTestSteps = 24;
constexpr size_t kMostSelfTestSteps = 1024;

// Calls `body(name, matrix)` for each matrix of the weights.
template <typename Weights, typename Body>
void ForEach(Weights& weights, const Body& body) {
  body("project", weights.project);
  body("project_bias", weights.project_bias);
  body("input_gates", weights.cell.input_gates);
  body("hidden_gates", weights.cell.hidden_gates);
  body("gate_bias", weights.cell.gate_bias);
  body("head", weights.head);
  body("head_bias", weights.head_bias);
  body("out", weights.out);
  body("out_bias", weights.out_bias);
}

std::vector<float> Run(const DemandModel& model, const std::vector<DemandInput>& inputs) {
  DemandState state = model.NewState();
  for (const DemandInput& input : inputs) model.Step(input, &state);
  return {state.outputs.begin(), state.outputs.end()};
}

absl::Status CheckShape(const v1::DemandModelFile& message, std::string_view name) {
  const bool same = message.input_count() == kDemandInputs &&
                    std::equal(message.horizon_steps().begin(), message.horizon_steps().end(), kDemandHorizons.begin(),
                               kDemandHorizons.end()) &&
                    std::equal(message.quantiles().begin(), message.quantiles().end(), kDemandQuantiles.begin(),
                               kDemandQuantiles.end(), [](float a, double b) { return a == static_cast<float>(b); });
  if (same) return absl::OkStatus();
  return absl::FailedPreconditionError(StrCat(
      name, " was trained on other inputs, horizons or quantiles than this version of Truce has; install the model of ",
      "this version"));
}

absl::Status RunSelfTest(const v1::DemandSelfTest& test, std::string_view name, const DemandModel& model) {
  const auto values = static_cast<size_t>(test.inputs_size());
  if (values == 0 || values % kDemandInputs != 0 || values / kDemandInputs > kMostSelfTestSteps ||
      test.outputs_size() != static_cast<int>(kDemandOutputs)) {
    return DamagedModel(name, "its self-test is incomplete");
  }
  std::vector<DemandInput> inputs(values / kDemandInputs);
  for (size_t i = 0; i < values; ++i) inputs[i / kDemandInputs][i % kDemandInputs] = test.inputs(static_cast<int>(i));
  const std::vector<float> got = Run(model, inputs);
  const bool same = std::equal(got.begin(), got.end(), test.outputs().begin(), test.outputs().end(),
                               [](float a, float b) { return std::abs(a - b) <= kTolerance * (1 + std::abs(b)); });
  if (same) return absl::OkStatus();
  return FailedSelfTest(name);
}

}  // namespace

std::string SerializeDemandModel(const DemandModelContent& content) {
  v1::DemandModelFile message;
  message.set_format(kFormat);
  message.set_version(content.version);
  message.set_trained_on(content.trained_on);
  message.set_input_count(kDemandInputs);
  for (const size_t horizon : kDemandHorizons) message.add_horizon_steps(static_cast<uint32_t>(horizon));
  for (const double quantile : kDemandQuantiles) message.add_quantiles(static_cast<float>(quantile));
  ForEach(content.model.weights(),
          [&message](const char* name, const auto& matrix) { *message.add_tensors() = ToTensor(name, matrix); });
  DemandFeatures features(0);
  std::vector<DemandInput> inputs;
  for (int i = 0; i < kSelfTestSteps; ++i) {
    features.Observe(i % 8 == 5 ? 4 : 1 + 0.1 * (i % 3));
    inputs.push_back(features.Current());
    message.mutable_self_test()->mutable_inputs()->Add(inputs.back().begin(), inputs.back().end());
  }
  for (const float output : Run(content.model, inputs)) message.mutable_self_test()->add_outputs(output);
  return WrapModel(kMagic, message);
}

absl::StatusOr<DemandModelContent> ParseDemandModel(std::string_view bytes, std::string_view name) {
  v1::DemandModelFile message;
  TRUCE_RETURN_IF_ERROR(UnwrapModel(bytes, kMagic, name, &message));
  TRUCE_RETURN_IF_ERROR(CheckModelFormat(message.format(), kFormat, name));
  TRUCE_RETURN_IF_ERROR(CheckShape(message, name));
  if (message.version().empty() || message.version().size() > kMostDemandName) {
    return DamagedModel(name, StrCat("its version should have 1 to ", kMostDemandName, " bytes"));
  }
  const TensorReader tensors(message.tensors(), name);
  DemandWeights weights;
  absl::Status status;
  bool sound = true;
  ForEach(weights, [&](const char* tensor, auto& matrix) {
    if (status.ok()) status = tensors.Take(tensor, &matrix);
    sound = sound && IsSoundMatrix(matrix);
  });
  TRUCE_RETURN_IF_ERROR(status);
  if (!sound || !IsSound(weights)) return DamagedModel(name, "its matrices do not fit together");
  DemandModelContent content{message.version(), message.trained_on(), DemandModel(std::move(weights))};
  TRUCE_RETURN_IF_ERROR(RunSelfTest(message.self_test(), name, content.model));
  return content;
}

}  // namespace truce
