#include "src/base/short_bytes.h"

#include <array>
#include <cmath>

#include "absl/strings/str_format.h"

namespace truce {

std::string ShortBytes(double bytes) {
  constexpr std::array<const char*, 6> kUnits = {"", "K", "M", "G", "T", "P"};
  size_t unit = 0;
  // From 1023.5 on it would print as "1024".
  while (std::abs(bytes) >= 1023.5 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  if (unit == 0 || std::abs(bytes) >= 99.95) return absl::StrFormat("%.0f%s", bytes, kUnits[unit]);
  return absl::StrFormat("%.1f%s", bytes, kUnits[unit]);
}

}  // namespace truce
