// Steps ahead of which the demand LSTM says something.
#pragma once

#include <array>
#include <cstddef>

namespace truce {

inline constexpr std::array<size_t, 5> kDemandHorizons = {1, 2, 3, 6, 12};

}  // namespace truce
