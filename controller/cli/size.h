// Sizes as people type them: --memory 1.5GiB. For parse.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace truce::cli {

// The bytes that `text` says: a number of at least 0 and at most one of the units B, K, M, G, T, of 1024 like all that
// trucectl prints; M, MB and MiB are the same, in any case. A part of a byte is dropped. nullopt when it says none, or
// more than an EiB.
std::optional<uint64_t> ParseBytes(std::string_view text);

// Why `text` is none.
std::string NoSize(const std::string& text);

}  // namespace truce::cli
