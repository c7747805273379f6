#include "models/forecast/roots.h"

#include <cmath>
#include <vector>

namespace truce {

bool RootsOutside(absl::Span<const double> coefficients, double radius) {
  std::vector<double> now(coefficients.begin(), coefficients.end());
  double power = 1;
  for (double& coefficient : now) coefficient *= (power *= radius);
  std::vector<double> next(now.size());
  for (size_t order = now.size(); order > 0; --order) {
    const double last = now[order - 1];
    if (!(std::fabs(last) < 1)) return false;
    const double scale = 1 / (1 - last * last);
    for (size_t i = 0; i + 1 < order; ++i) next[i] = (now[i] - last * now[order - 2 - i]) * scale;
    now.swap(next);
  }
  return true;
}

}  // namespace truce
