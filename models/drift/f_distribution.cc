#include "models/drift/f_distribution.h"

#include <cmath>
#include <limits>

namespace truce {
namespace {

constexpr int kMostTerms = 500;
constexpr double kTiny = 1e-300;

double NotTiny(double value) {
  return std::abs(value) < kTiny ? kTiny : value;
}

// The continued fraction of I_x(a, b), which converges fast for x < (a + 1) / (a + b + 2).
double Fraction(double x, double a, double b) {
  double c = 1;
  double d = 1 / NotTiny(1 - (a + b) * x / (a + 1));
  double fraction = d;
  for (int m = 1; m <= kMostTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / NotTiny(1 + even * d);
    c = NotTiny(1 + even / c);
    fraction *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / NotTiny(1 + odd * d);
    c = NotTiny(1 + odd / c);
    fraction *= d * c;
    if (std::abs(d * c - 1) < 1e-10) break;
  }
  return fraction;
}

// I_x(a, b); `y` is 1 - x, given apart because it may be too small to be told from x.
double IncompleteBeta(double x, double y, double a, double b) {
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log(y));
  if (x < (a + 1) / (a + b + 2)) return front * Fraction(x, a, b) / a;
  return 1 - front * Fraction(y, b, a) / b;
}

}  // namespace

double UpperTailOfF(double value, double numerator, double denominator) {
  if (std::isnan(value) || std::isnan(numerator) || std::isnan(denominator)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (!(value > 0)) return 1;
  if (std::isinf(value)) return 0;
  const double spread = denominator + numerator * value;
  return IncompleteBeta(denominator / spread, numerator * value / spread, denominator / 2, numerator / 2);
}

}  // namespace truce
