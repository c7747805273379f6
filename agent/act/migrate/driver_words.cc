#include "agent/act/migrate/driver_words.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/json_util.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::agent {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

std::string Escape(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != '%') {
      escaped += c;
    } else {
      escaped += absl::StrFormat("%%%02x", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

std::string Unescape(std::string_view escaped) {
  std::string value;
  for (size_t i = 0; i < escaped.size(); ++i) {
    uint32_t byte = 0;
    if (escaped[i] == '%' && i + 2 < escaped.size() && absl::SimpleHexAtoi(AbslView(escaped.substr(i + 1, 2)), &byte)) {
      value += static_cast<char>(byte);
      i += 2;
    } else {
      value += escaped[i];
    }
  }
  return value;
}

const Value* Find(const Struct& object, const std::string& key) {
  const auto found = object.fields().find(key);
  return found == object.fields().end() ? nullptr : &found->second;
}

}  // namespace

DriverMemory MakeMemory(const std::vector<std::pair<std::string_view, std::string>>& words) {
  DriverMemory memory;
  for (const auto& [key, value] : words) {
    StrAppend(&memory, memory.empty() ? "" : " ", key, "=", Escape(value));
  }
  return memory;
}

std::string WordIn(const DriverMemory& memory, std::string_view key) {
  std::string_view rest = memory;
  while (!rest.empty()) {
    const std::string_view word = host::NextWord(&rest);
    if (word.size() > key.size() && word.starts_with(key) && word[key.size()] == '=') {
      return Unescape(word.substr(key.size() + 1));
    }
  }
  return "";
}

absl::StatusOr<Struct> ParseObject(const std::string& text) {
  Struct object;
  if (google::protobuf::util::JsonStringToMessage(text, &object).ok()) return object;
  constexpr size_t kShown = 200;
  return absl::InvalidArgumentError(text.empty()
                                        ? "nothing, where a JSON object was expected"
                                        : StrCat("this, where a JSON object was expected: ", text.substr(0, kShown)));
}

std::string ToJson(const Struct& object) {
  std::string text;
  (void)google::protobuf::util::MessageToJsonString(object, &text);
  return text;
}

std::string JsonText(const Struct& object, const std::string& key) {
  const Value* value = Find(object, key);
  return value == nullptr ? std::string() : value->string_value();
}

std::optional<double> JsonNumber(const Struct& object, const std::string& key) {
  const Value* value = Find(object, key);
  if (value == nullptr || !value->has_number_value()) return std::nullopt;
  return value->number_value();
}

const Struct& JsonObject(const Struct& object, const std::string& key) {
  const Value* value = Find(object, key);
  return value == nullptr ? Struct::default_instance() : value->struct_value();
}

std::optional<std::string> StartOfProcess(const std::string& procfs, int pid) {
  const auto stat = host::ReadFile(StrCat(procfs, "/", pid, "/stat"));
  if (!stat.ok()) return std::nullopt;
  // Behind the name, which may hold anything: state, then 18 more before the start (proc(5), field 22).
  const size_t name_end = stat->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::string_view rest = std::string_view(*stat).substr(name_end + 1);
  const std::string_view state = host::NextWord(&rest);
  if (state == "Z" || state == "X") return std::nullopt;
  for (int skipped = 0; skipped < 18; ++skipped) host::NextWord(&rest);
  return std::string(host::NextWord(&rest));
}

bool WaitForEnd(const std::string& procfs, int pid, const std::string& started, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  while (StartOfProcess(procfs, pid) == started) {
    if (absl::Now() >= deadline) return false;
    absl::SleepFor(absl::Milliseconds(20));
  }
  return true;
}

}  // namespace truce::agent
