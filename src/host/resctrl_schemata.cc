#include "src/host/resctrl_schemata.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::host {
namespace {

constexpr int kMostWays = 64;

absl::Status NoSchema(std::string_view line) {
  return absl::InvalidArgumentError(StrCat("'", line, "' is no schema such as L3:0=f;1=f"));
}

bool Bounds(std::string_view resource) {
  return IsCache(resource) || resource == kBandwidthResource;
}

// Cuts what comes before `separator` off the front of *text.
std::string_view Cut(std::string_view* text, char separator) {
  const size_t end = text->find(separator);
  const std::string_view head = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return head;
}

// One word, "L3:0=f0;1=f0".
absl::Status ParseWord(std::string_view word, Schemata* schemata) {
  std::string_view rest = word;
  const std::string resource(Cut(&rest, ':'));
  if (!Bounds(resource)) return NoSchema(word);
  std::map<int, uint64_t> values;
  while (!rest.empty()) {
    std::string_view value = Cut(&rest, ';');
    const std::string_view domain = Cut(&value, '=');
    int id = 0;
    uint64_t number = 0;
    const bool read =
        absl::SimpleAtoi(AbslView(domain), &id) && (IsCache(resource) ? absl::SimpleHexAtoi(AbslView(value), &number)
                                                                      : absl::SimpleAtoi(AbslView(value), &number));
    if (!read || !values.emplace(id, number).second) return NoSchema(word);
  }
  if (values.empty()) return NoSchema(word);
  (*schemata)[resource] = std::move(values);
  return absl::OkStatus();
}

std::string FormatValue(std::string_view resource, uint64_t value) {
  return IsCache(resource) ? StrCat(absl::Hex(value)) : StrCat(value);
}

std::string FormatValues(std::string_view resource, const std::map<int, uint64_t>& values) {
  std::string text;
  for (const auto& [id, value] : values) {
    StrAppend(&text, text.empty() ? "" : ";", id, "=", FormatValue(resource, value));
  }
  return text;
}

// FNV-1a (Fowler, Noll and Vo): the same in every build and at every start, which std::hash does not promise.
uint32_t Hash(std::string_view text) {
  uint32_t hash = 2166136261u;
  for (const char character : text) hash = (hash ^ static_cast<unsigned char>(character)) * 16777619u;
  return hash;
}

// The highest run of `ways` bits.
std::optional<uint64_t> HighestRun(uint64_t usable, int ways) {
  const uint64_t run = ways == kMostWays ? ~uint64_t{0} : (uint64_t{1} << ways) - 1;
  for (int shift = kMostWays - ways; shift >= 0; --shift) {
    if ((usable & (run << shift)) == run << shift) return run << shift;
  }
  return std::nullopt;
}

}  // namespace

bool IsCache(std::string_view resource) {
  return std::find(std::begin(kCacheResources), std::end(kCacheResources), resource) != std::end(kCacheResources);
}

absl::StatusOr<Schemata> ParseSchemata(std::string_view text) {
  Schemata schemata;
  absl::Status status;
  ForEachLine(text, [&](std::string_view line) {
    // The kernel pads names and values with blanks.
    std::string word(line);
    std::erase_if(word, [](char character) { return character == ' ' || character == '\t'; });
    const size_t colon = word.find(':');
    const bool others = colon != std::string::npos && !Bounds(std::string_view(word).substr(0, colon));
    if (!word.empty() && !others && status.ok()) status = ParseWord(word, &schemata);
  });
  if (!status.ok()) return status;
  return schemata;
}

absl::StatusOr<Schemata> ParseClass(std::string_view text) {
  Schemata schemata;
  for (std::string_view word = NextWord(&text); !word.empty(); word = NextWord(&text)) {
    if (absl::Status status = ParseWord(word, &schemata); !status.ok()) return status;
  }
  if (schemata.empty()) return NoSchema("");
  return schemata;
}

std::string FormatClass(const Schemata& schemata) {
  std::string text;
  for (const auto& [resource, values] : schemata) {
    StrAppend(&text, text.empty() ? "" : " ", resource, ":", FormatValues(resource, values));
  }
  return text;
}

std::string FormatSchemata(const Schemata& schemata) {
  std::string text;
  for (const auto& [resource, values] : schemata) {
    StrAppend(&text, resource, ":", FormatValues(resource, values), "\n");
  }
  return text;
}

std::string GroupName(const Schemata& schemata) {
  std::string name(kGroupPrefix);
  for (const auto& [resource, values] : schemata) {
    const uint64_t first = values.begin()->second;
    const bool same =
        std::all_of(values.begin(), values.end(), [&](const auto& value) { return value.second == first; });
    StrAppend(&name, name.ends_with('-') ? "" : "-", resource, "-",
              same ? FormatValue(resource, first) : absl::StrFormat("x%08x", Hash(FormatValues(resource, values))));
  }
  return name;
}

std::map<int, uint64_t> TakenWays(std::string_view bit_usage) {
  std::map<int, uint64_t> taken;
  while (!bit_usage.empty()) {
    std::string_view usage = Cut(&bit_usage, ';');
    const std::optional<int64_t> id = FirstNumber(usage);
    Cut(&usage, '=');
    if (!id) continue;
    uint64_t ways = 0;
    for (const char way : usage) {
      if (way < '0') break;  // the line's end
      ways = ways << 1 | static_cast<uint64_t>(way == 'E' || way == 'P');
    }
    taken[static_cast<int>(*id)] = ways;
  }
  return taken;
}

std::optional<uint64_t> ChooseWays(uint64_t usable, uint64_t shared, int ways) {
  if (ways <= 0 || ways > kMostWays) return std::nullopt;
  if (const auto apart = HighestRun(usable & ~shared, ways)) return apart;
  return HighestRun(usable, ways);
}

int WaysFor(double ratio, int total, int least) {
  // A ratio that was meant to be a whole number of ways must not become one more.
  constexpr double kSlack = 1e-9;
  return std::clamp(static_cast<int>(std::ceil(ratio * total - kSlack)), std::min(least, total), total);
}

uint64_t RoundUp(uint64_t value, uint64_t step, uint64_t least) {
  const uint64_t whole = std::max<uint64_t>(step, 1);
  return (std::max(value, least) + whole - 1) / whole * whole;
}

}  // namespace truce::host
