// What a signature (v1.Signature) may hold at most: models that would make others are refused where they are made and
// read, so that no controller has to refuse what its agents say.
#pragma once

#include <cstddef>

namespace truce {

inline constexpr int kMostEmbedding = 256;
// Bytes of a model's version.
inline constexpr size_t kMostModelName = 128;
inline constexpr int kMostKinds = 64;

}  // namespace truce
