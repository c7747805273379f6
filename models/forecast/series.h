// A series of readings at equal distances, as forecasts and their commands know it. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace truce {

struct Series {
  std::string name;
  // When the first value was read, and how far apart values are.
  double start_seconds = 0;
  double spacing_seconds = 1;
  // NaN where nothing is known.
  std::vector<double> values;

  double TimeOf(size_t index) const { return start_seconds + spacing_seconds * static_cast<double>(index); }
};

}  // namespace truce
