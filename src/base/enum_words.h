// Enums of the wire as the lower-case words that people type and read: MODE_ENFORCE is "enforce". Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/generated_enum_reflection.h"

namespace truce {

// The word of `value`; its number in decimal when the enum has no such value.
std::string EnumWord(const google::protobuf::EnumDescriptor& type, int value);
// The value of `word`; nullopt when there is none. "unspecified" is a word too.
std::optional<int> EnumFromWord(const google::protobuf::EnumDescriptor& type, std::string_view word);
// Every word but "unspecified", in the order of the .proto.
std::vector<std::string> EnumWords(const google::protobuf::EnumDescriptor& type);

template <typename E>
std::string EnumWord(E value) {
  return EnumWord(*google::protobuf::GetEnumDescriptor<E>(), value);
}
template <typename E>
std::vector<std::string> EnumWords() {
  return EnumWords(*google::protobuf::GetEnumDescriptor<E>());
}
// E's zero value for an empty word, and for one that it does not have (the parser has refused those).
template <typename E>
E EnumFromWord(std::string_view word) {
  return static_cast<E>(EnumFromWord(*google::protobuf::GetEnumDescriptor<E>(), word).value_or(0));
}
// The word for a table's cell: "-" for unspecified.
template <typename E>
std::string EnumCell(E value) {
  return static_cast<int>(value) == 0 ? "-" : EnumWord(value);
}

}  // namespace truce
