#include "lab/fleet/knowledge.h"

#include <algorithm>
#include <cmath>

namespace truce::lab::fleet {

Signature Knowledge::Said(size_t application) const {
  Signature said = averages[application];
  for (size_t r = 0; r < kEffects; ++r) {
    said.hurts[r] *= std::exp(error * errors[application].hurts[r] - error * error / 2);
    said.suffers[r] *= std::exp(error * errors[application].suffers[r] - error * error / 2);
  }
  return said;
}

Knowledge Learn(const Truth& truth, std::mt19937_64& random) {
  const size_t count = truth.applications();
  const double others = static_cast<double>(count - 1);
  Knowledge knowledge;
  knowledge.averages.resize(count);
  knowledge.errors.resize(count);
  for (size_t v = 0; v < count; ++v) {
    for (size_t a = 0; a < count; ++a) {
      if (a == v) continue;
      for (size_t r = 0; r < kEffects; ++r) {
        const double slowdown = truth.sensitivity[v][r] * truth.Bias(v, a) * truth.pressure[a][r];
        knowledge.averages[v].suffers[r] += slowdown / others;
        knowledge.averages[a].hurts[r] += slowdown / others;
      }
    }
  }
  for (const Signature& one : knowledge.averages) {
    for (size_t r = 0; r < kEffects; ++r) knowledge.mean_hurts[r] += one.hurts[r] / static_cast<double>(count);
  }
  std::normal_distribution<double> normal;
  for (Signature& one : knowledge.errors) {
    for (double& error : one.hurts) error = normal(random);
    for (double& error : one.suffers) error = normal(random);
  }
  return knowledge;
}

}  // namespace truce::lab::fleet
