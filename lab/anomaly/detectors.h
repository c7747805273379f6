// What scores a series: Truce's detector and those it is compared with. Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "lab/anomaly/labelled.h"

namespace truce::lab {

// What `truce-lab evaluate anomalies` compares, in the order of its table. kNone and kLabels are the ends of the scale:
// one never detects, the other knows the labels.
enum class Detector { kTruce, kWindowedGaussian, kRandom, kNone, kLabels };
const std::vector<Detector>& Detectors();
std::string_view DetectorName(Detector detector);

// A score, 0 to 1, for each value of `series`, each from the values up to it (but for kLabels). Deterministic; `seed`
// is for kRandom.
std::vector<double> Score(Detector detector, const LabelledSeries& series, uint64_t seed);

}  // namespace truce::lab
