#include "lab/forecast/csv.h"

#include <cmath>
#include <limits>
#include <unordered_map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// The fields of `line`; false when a quote is not closed or text follows a closing one.
bool Split(std::string_view line, std::vector<std::string>* fields) {
  fields->clear();
  size_t at = 0;
  while (true) {
    std::string field;
    if (at < line.size() && line[at] == '"') {
      for (++at;; ++at) {
        if (at >= line.size()) return false;
        if (line[at] != '"') {
          field += line[at];
        } else if (at + 1 < line.size() && line[at + 1] == '"') {
          field += line[at++];
        } else {
          break;
        }
      }
      ++at;
      if (at < line.size() && line[at] != ',') return false;
    } else {
      const size_t end = std::min(line.find(',', at), line.size());
      field = std::string(StdView(absl::StripAsciiWhitespace(AbslView(line.substr(at, end - at)))));
      at = end;
    }
    fields->push_back(std::move(field));
    if (at >= line.size()) return true;
    ++at;
  }
}

}  // namespace

absl::StatusOr<bool> CsvReader::Next() {
  while (!rest_.empty()) {
    if (line_ == 0 && rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
    const size_t end = rest_.find('\n');
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    ++line_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    if (!Split(line, &fields_)) return Wrong("a quote is not closed before the next comma");
    return true;
  }
  return false;
}

absl::Status CsvReader::Wrong(std::string_view what) const {
  return absl::InvalidArgumentError(StrCat(file_, ", line ", line_, ": ", what));
}

absl::StatusOr<size_t> CsvReader::Column(std::string_view name) const {
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i] == name) return i;
  }
  return Wrong(StrCat("the header has no column '", name, "'"));
}

absl::StatusOr<double> CsvReader::Number(size_t column, std::string_view name) const {
  if (column >= fields_.size()) {
    return Wrong(StrCat("there is no ", name, ": the line has ", fields_.size(), " fields"));
  }
  const std::string& text = fields_[column];
  double number = std::numeric_limits<double>::quiet_NaN();
  if (text.empty() || absl::EqualsIgnoreCase(text, "nan")) return number;
  if (!absl::SimpleAtod(text, &number) || !std::isfinite(number)) {
    return Wrong(StrCat(name, " '", text, "' is no finite number"));
  }
  return number;
}

std::string CsvField(std::string_view text) {
  const bool plain = text.find_first_of(",\"") == std::string_view::npos &&
                     StdView(absl::StripAsciiWhitespace(AbslView(text))).size() == text.size();
  if (plain) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

absl::StatusOr<std::vector<NamedReadings>> ParseSeriesCsv(std::string_view file, std::string_view text) {
  CsvReader csv(file, text);
  TRUCE_ASSIGN_OR_RETURN(const bool header, csv.Next());
  if (!header) return absl::InvalidArgumentError(StrCat(file, ": it is empty; it must begin with series,t,value"));
  TRUCE_ASSIGN_OR_RETURN(const size_t series_column, csv.Column("series"));
  TRUCE_ASSIGN_OR_RETURN(const size_t time_column, csv.Column("t"));
  TRUCE_ASSIGN_OR_RETURN(const size_t value_column, csv.Column("value"));
  std::vector<NamedReadings> all;
  std::unordered_map<std::string, size_t> places;
  while (true) {
    TRUCE_ASSIGN_OR_RETURN(const bool more, csv.Next());
    if (!more) break;
    TimedValue reading;
    reading.line = csv.line();
    TRUCE_ASSIGN_OR_RETURN(reading.seconds, csv.Number(time_column, "t"));
    if (std::isnan(reading.seconds)) return csv.Wrong("t is missing");
    TRUCE_ASSIGN_OR_RETURN(reading.value, csv.Number(value_column, "value"));
    if (std::abs(reading.value) > kLargestValue) {
      return csv.Wrong(StrCat("value ", NumberText(reading.value), " is too large to be forecast (the most is ",
                              NumberText(kLargestValue), "); give it in a larger unit"));
    }
    if (series_column >= csv.fields().size()) return csv.Wrong("there is no series");
    const std::string& name = csv.fields()[series_column];
    const auto [place, first] = places.try_emplace(name, all.size());
    if (first) all.push_back({name, {}});
    all[place->second].readings.push_back(reading);
  }
  size_t known = 0;
  for (NamedReadings& one : all) {
    const absl::Status sorted = SortReadings(one.series, Repeats::kRefuse, &one.readings);
    if (!sorted.ok()) return WithContext(sorted, file);
    std::erase_if(one.readings, [](const TimedValue& reading) { return std::isnan(reading.value); });
    known += one.readings.size();
  }
  if (known == 0) return absl::InvalidArgumentError(StrCat(file, ": there is no value in it"));
  return all;
}

}  // namespace truce::lab
