// What a signature (v1.Signature) may hold at most: models that would make others are refused where they are made and
// read, so that no controller has to refuse what its agents say.
#pragma once

#include <cstddef>

namespace truce {

inline constexpr int kMostEmbedding = 256;
// Bytes of a model's version.
inline constexpr size_t kMostModelName = 128;
inline constexpr int kMostKinds = 64;
// Bytes of a program's or a kind's name.
inline constexpr size_t kMostName = 128;

}  // namespace truce
