#include "controller/cli/size.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

constexpr double kMostBytes = 0x1p60;

// What "MiB" multiplies by; 0 for no unit.
double Factor(std::string_view unit) {
  const std::string lower = absl::AsciiStrToLower(AbslView(unit));
  if (lower.empty() || lower == "b") return 1;
  const std::string rest = lower.substr(1);
  const size_t power = std::string_view("bkmgt").find(lower.front());
  if (power == std::string_view::npos || power == 0 || (!rest.empty() && rest != "b" && rest != "ib")) return 0;
  return static_cast<double>(uint64_t{1} << (10 * power));
}

}  // namespace

std::optional<uint64_t> ParseBytes(std::string_view text) {
  const size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  std::string_view unit = text.substr(end);
  unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
  double number = 0;
  if (!absl::SimpleAtod(AbslView(text.substr(0, end)), &number)) return std::nullopt;
  const double factor = Factor(unit);
  if (factor == 0 || number * factor > kMostBytes) return std::nullopt;
  return static_cast<uint64_t>(number * factor);
}

std::string NoSize(const std::string& text) {
  return StrCat("'", text, "' is no size: give a number with a unit such as 512MiB");
}

}  // namespace truce::cli
