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

double Knowledge::Trust() const {
  double variance = 0;
  for (size_t r = 0; r < kEffects; ++r) {
    double sums[2] = {};
    double squares[2] = {};
    const auto count = static_cast<double>(averages.size());
    for (size_t a = 0; a < averages.size(); ++a) {
      const Signature said = Said(a);
      const double logs[2] = {std::log(said.hurts[r]), std::log(said.suffers[r])};
      for (size_t i = 0; i < 2; ++i) {
        sums[i] += logs[i] / count;
        squares[i] += logs[i] * logs[i] / count;
      }
    }
    for (size_t i = 0; i < 2; ++i) variance += (squares[i] - sums[i] * sums[i]) / (2 * kEffects);
  }
  return variance > 0 ? std::max(0.0, 1 - error * error / variance) : 0;
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
