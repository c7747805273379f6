// What training learns after the weights: how sure the network's probabilities are, and what it is familiar with.
#pragma once

#include <vector>

#include "models/interference/example.h"
#include "models/interference/model.h"

namespace truce {

// Fits Calibration::Probability to what happened, by Newton's method, pulled towards the normal distribution (a few
// imagined examples that agree with it), which it is when there is nothing to learn from.
Calibration FitCalibration(const std::vector<double>& deviations_above, const std::vector<bool>& happened);

// Deviations on either side of what was predicted that hold 80 % of the cases, from how many off each case was
// (conformal quantile); those of a normal distribution when there are too few.
float FitInterval(std::vector<double> deviations_off);

// What was said of an example by a model that had not learned from its programs. Both belong to somebody else.
struct Forecast {
  const InterferenceExample* example;
  const InterferencePrediction* prediction;
};
// Probabilities and intervals.
Calibration CalibrateOn(const std::vector<Forecast>& forecasts);

// At most a few hundred of the values, ascending, which say as much.
std::vector<float> Quantiles(std::vector<float> values);

// From fingerprints, one a row: those that the model was trained on, and those of programs that it was not. Without any
// of the latter, the former stand in.
Familiarity FitFamiliarity(const Rows& known, const Rows& unknown);

// The model with these weights, calibrated on `validation`.
InterferenceModel Calibrated(InterferenceWeights weights, const ExampleList& training, const ExampleList& validation);

}  // namespace truce
