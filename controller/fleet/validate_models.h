// Refuses nonsense in what agents say of models and of forecasts' errors. Called by controller/fleet/validate.h;
// without state.
#pragma once

#include <optional>
#include <string_view>

#include "controller/fleet/validate.h"
#include "truce/v1/agent.pb.h"

namespace truce::controller {

// Whether that could be the SHA-256 of a model's file, in hex.
bool IsModelName(std::string_view text);

// Takes each sum that can't be one, and those beyond kMostForecastErrors, out of `errors` ("bad_errors").
void LeaveOutErrors(google::protobuf::RepeatedPtrField<v1::ForecastErrors>* errors, LeftOut* left_out);

// The models in a hello.
std::optional<Refusal> CheckModels(const v1::Hello& hello);

}  // namespace truce::controller
