// Comma-separated files line by line, with their line numbers in every message. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lab/forecast/readings.h"

namespace truce::lab {

// Walks through a text of lines that fields divide. Fields may stand in double quotes, in which a doubled quote is one;
// a line ends within no field.
class CsvReader {
 public:
  // Both outlive the reader. `file` is for messages.
  CsvReader(std::string_view file, std::string_view text) : file_(file), rest_(text) {}
  // The next line that is not empty; false at the end.
  absl::StatusOr<bool> Next();
  const std::vector<std::string>& fields() const { return fields_; }
  size_t line() const { return line_; }
  // InvalidArgument that begins with file and line.
  absl::Status Wrong(std::string_view what) const;
  // Where the column is, by the header that Next() read.
  absl::StatusOr<size_t> Column(std::string_view name) const;
  // A finite number. An empty field or "nan" is NaN: missing.
  absl::StatusOr<double> Number(size_t column, std::string_view name) const;

 private:
  const std::string_view file_;
  std::string_view rest_;
  size_t line_ = 0;
  std::vector<std::string> fields_;
};

// As a field of a line: in quotes where it must be.
std::string CsvField(std::string_view text);

// Readings of one series; none is missing.
struct NamedReadings {
  std::string series;
  std::vector<TimedValue> readings;
};

// Forecasts and what judges them are kept as floats, which end at 3.4e38: a few ranges and some sums are to fit.
inline constexpr double kLargestValue = 1e36;

// A text with the header `series,t,value` (any order, other columns are left alone): t in seconds, in any order, lines
// of several series mixed. Series come in the order of their first line, readings sorted by time; a missing value is a
// gap. InvalidArgument with the line for whatever is no number, for a value beyond kLargestValue, for a moment with two
// values, and when there is no value at all.
absl::StatusOr<std::vector<NamedReadings>> ParseSeriesCsv(std::string_view file, std::string_view text);

}  // namespace truce::lab
