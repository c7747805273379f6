// Text for people: tables that align by display width, ages, sizes, readings with their units. Called by every command
// that shows something.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace truce::cli {

// `text` with control characters and broken UTF-8 written as "\x1b", so that a workload's name can't steer the
// terminal.
std::string Printable(std::string_view text);
// The same line by line: '\n' stays.
std::string PrintableLines(std::string_view text);
// Columns that printable UTF-8 takes on a terminal: 2 for East Asian wide characters and emoji, 0 for combining marks.
int DisplayWidth(std::string_view text);
// At most `width` columns of `text`, the middle replaced by "…" when it is longer.
std::string ElideMiddle(std::string_view text, int width);
// `text` broken at blanks into lines of at most `width` columns; width 0 means one line.
std::vector<std::string> Wrap(std::string_view text, int width);

// "5s", "3m", "2h", "4d": whole units, rounded down; "0s" for a time in the future.
std::string FormatAge(absl::Duration age);
// The age of `then`; "-" when it is not set.
std::string FormatAge(absl::Time now, const google::protobuf::Timestamp& then, bool is_set);
// "512", "1.2K", "3.4G": bytes in powers of 1024.
std::string FormatBytes(double bytes);
// 0.256 -> "26%", 0.004 -> "0.4%".
std::string FormatRatio(double ratio);
// At most `decimals` places.
std::string FormatNumber(double value, int decimals);
// A reading in the unit that its name ends with ("..._bytes_per_second" -> "1.2M/s").
std::string FormatReading(std::string_view name, double value);
// "Name:          value": lines that align; "-" for no value.
std::string Fact(const std::string& name, const std::string& value);
// Local time for messages: "2026-01-31 12:34:56".
std::string FormatMoment(const google::protobuf::Timestamp& moment);

enum class Tone : uint8_t { kPlain, kGood, kWarning, kBad, kFaint };

struct Cell {
  Cell(std::string cell_text, Tone cell_tone = Tone::kPlain)  // NOLINT(google-explicit-constructor): rows read better
      : text(std::move(cell_text)), tone(cell_tone) {}
  Cell(const char* cell_text) : text(cell_text) {}  // NOLINT(google-explicit-constructor)
  std::string text;
  Tone tone;
};

enum class Align : uint8_t { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
  // Shown only in -o wide.
  bool wide_only = false;
  // May be elided to fit the terminal.
  bool elastic = false;
};

// How to print.
struct Paper {
  // Columns to fit elastic cells into; 0 for no limit.
  int width = 0;
  bool colour = false;
  bool wide = false;
};

// Rows under titles, two blanks apart, no trailing blanks.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // As many cells as columns, the wide-only ones too.
  void AddRow(std::vector<Cell> cells);
  bool empty() const { return rows_.empty(); }
  void Print(std::ostream& out, const Paper& paper) const;

 private:
  std::vector<int> Widths(const Paper& paper) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

// Wraps `text` in the escape codes of `tone` when `colour`.
std::string Coloured(std::string_view text, Tone tone, bool colour);

}  // namespace truce::cli
