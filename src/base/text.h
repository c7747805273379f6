// Debian's Abseil is built with its own string_view, a type apart from std::string_view. This house uses
// std::string_view; these adapters are the only place where the two meet.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace truce {

// To and from Abseil's view of the same characters.
inline absl::string_view AbslView(std::string_view text) {
  return {text.data(), text.size()};
}
inline std::string_view StdView(absl::string_view text) {
  return {text.data(), text.size()};
}

namespace internal {
template <typename T>
decltype(auto) Adapt(const T& value) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    return AbslView(value);
  } else {
    return (value);
  }
}
}  // namespace internal

// absl::StrCat that takes std::string_view too.
template <typename... Args>
std::string StrCat(const Args&... args) {
  return absl::StrCat(internal::Adapt(args)...);
}

// Appends the concatenation to *target.
template <typename... Args>
void StrAppend(std::string* target, const Args&... args) {
  absl::StrAppend(target, internal::Adapt(args)...);
}

// Whether the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). Text on the wire must be.
bool IsUtf8(std::string_view text);

}  // namespace truce
