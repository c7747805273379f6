#include "controller/cli/format.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "src/base/short_bytes.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

// An elastic column is never made narrower than this: less names nothing.
constexpr int kNarrowest = 12;
constexpr int kGap = 2;

bool ConsumeSuffix(std::string_view* text, std::string_view suffix) {
  if (!text->ends_with(suffix)) return false;
  text->remove_suffix(suffix.size());
  return true;
}

std::string FormatCount(double value) {
  constexpr std::array<const char*, 4> kUnits = {"", "k", "M", "G"};
  size_t unit = 0;
  while (std::abs(value) >= 1000 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return FormatNumber(value, std::abs(value) < 10 ? 2 : std::abs(value) < 100 ? 1 : 0) + kUnits[unit];
}

std::string FormatSeconds(double seconds) {
  if (std::abs(seconds) < 1e-3) return FormatNumber(seconds * 1e6, 0) + "us";
  if (std::abs(seconds) < 1) return FormatNumber(seconds * 1e3, seconds < 0.01 ? 1 : 0) + "ms";
  return FormatNumber(seconds, 1) + "s";
}

}  // namespace

std::string FormatAge(absl::Duration age) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(age));
  if (seconds < 60) return StrCat(seconds, "s");
  if (seconds < 60 * 60) return StrCat(seconds / 60, "m");
  if (seconds < 24 * 60 * 60) return StrCat(seconds / 3600, "h");
  return StrCat(seconds / 86400, "d");
}

std::string FormatAge(absl::Time now, const google::protobuf::Timestamp& then, bool is_set) {
  if (!is_set) return "-";
  return FormatAge(now - (absl::FromUnixSeconds(then.seconds()) + absl::Nanoseconds(then.nanos())));
}

std::string FormatMoment(const google::protobuf::Timestamp& moment) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixSeconds(moment.seconds()), absl::LocalTimeZone());
}

std::string FormatBytes(double bytes) {
  return ShortBytes(bytes);
}

std::string FormatRatio(double ratio) {
  const double percent = ratio * 100;
  return StrCat(FormatNumber(percent, percent != 0 && std::abs(percent) < 9.95 ? 1 : 0), "%");
}

std::string FormatNumber(double value, int decimals) {
  std::string text = absl::StrFormat("%.*f", decimals, value);
  return text == "-0" ? "0" : text;
}

std::string FormatReading(std::string_view name, double value) {
  if (name.ends_with("_ratio")) return FormatRatio(value);
  if (name.ends_with("_bytes")) return FormatBytes(value);
  if (name.ends_with("_cores")) return FormatNumber(value, 2);
  if (ConsumeSuffix(&name, "_per_second")) {
    return (name.ends_with("_bytes") ? FormatBytes(value) : FormatCount(value)) + "/s";
  }
  if (name.ends_with("_seconds")) return FormatSeconds(value);
  return FormatCount(value);
}

std::string Fact(const std::string& name, const std::string& value) {
  std::string line = name + ":";
  line.resize(std::max<size_t>(line.size() + 1, 16), ' ');
  return line + (value.empty() ? "-" : value);
}

std::string Coloured(std::string_view text, Tone tone, bool colour) {
  if (!colour || tone == Tone::kPlain || text.empty()) return std::string(text);
  constexpr std::array<const char*, 5> kCodes = {"0", "32", "33", "31", "2"};
  return StrCat("\x1b[", kCodes[static_cast<size_t>(tone)], "m", text, "\x1b[0m");
}

void Table::AddRow(std::vector<Cell> cells) {
  cells.resize(columns_.size(), Cell(""));
  for (Cell& cell : cells) {
    cell.text = Printable(cell.text);
    // An empty cell would shift the columns for `awk` and for the eye.
    if (cell.text.empty()) cell.text = "-";
  }
  rows_.push_back(std::move(cells));
}

std::vector<int> Table::Widths(const Paper& paper) const {
  std::vector<int> widths(columns_.size(), 0);
  int total = -kGap;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].wide_only && !paper.wide) continue;
    widths[i] = DisplayWidth(columns_[i].title);
    for (const auto& row : rows_) widths[i] = std::max(widths[i], DisplayWidth(row[i].text));
    total += widths[i] + kGap;
  }
  // Takes columns from whichever elastic one is widest until the row fits or nothing more can be taken.
  while (paper.width > 0 && total > paper.width) {
    int* widest = nullptr;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i].elastic && widths[i] > kNarrowest && (widest == nullptr || widths[i] > *widest)) {
        widest = &widths[i];
      }
    }
    if (widest == nullptr) break;
    --*widest;
    --total;
  }
  return widths;
}

void Table::Print(std::ostream& out, const Paper& paper) const {
  const std::vector<int> widths = Widths(paper);
  const auto print_row = [&](const auto& cell_of) {
    std::string line;
    std::string pending;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i].wide_only && !paper.wide) continue;
      const Cell cell = cell_of(i);
      const std::string text = ElideMiddle(cell.text, widths[i]);
      const std::string blanks(static_cast<size_t>(std::max(0, widths[i] - DisplayWidth(text))), ' ');
      const bool right = columns_[i].align == Align::kRight;
      StrAppend(&line, pending, right ? blanks : "", Coloured(text, cell.tone, paper.colour));
      pending = (right ? "" : blanks) + std::string(kGap, ' ');
    }
    out << line << '\n';
  };
  print_row([&](size_t i) { return Cell(columns_[i].title, Tone::kFaint); });
  for (const auto& row : rows_) print_row([&](size_t i) { return row[i]; });
}

}  // namespace truce::cli
