// An evaluation as one HTML page that needs nothing else: tables, and pictures in SVG (calibration, predicted against
// measured, who slows whom).
#pragma once

#include <string>

#include "lab/learn/evaluate.h"

namespace truce::lab {

std::string EvaluationPage(const Evaluation& evaluation);

}  // namespace truce::lab
