#include "src/base/figures.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <ostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace truce {
namespace {

// Four significant digits, without exponents for the sizes that figures have.
std::string Number(double value) {
  if (!std::isfinite(value)) return "nan";
  const double size = std::abs(value);
  if (size == 0) return "0";
  if (size < 1e-3 || size >= 1e7) return absl::StrFormat("%.3e", value);
  const int digits = std::max(0, 3 - static_cast<int>(std::floor(std::log10(size))));
  return absl::StrFormat("%.*f", digits, value);
}

std::string TargetText(const Target& target) {
  return absl::StrCat(target.kind == Target::Kind::kAtMost ? "<= " : ">= ", absl::StrFormat("%g", target.value));
}

std::string JsonString(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&quoted, "\\u%04x", static_cast<unsigned char>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string JsonNumber(double value) {
  return std::isfinite(value) ? absl::StrFormat("%.9g", value) : "null";
}

// Value of sorted samples at `quantile`, interpolated.
double Quantile(const std::vector<double>& sorted, double quantile) {
  const double at = quantile * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

// What follows "KEY ... :" in the first line of a /proc file that begins with KEY; empty when there is none.
std::string ProcValue(const std::string& path, std::string_view key) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    const size_t colon = line.find(':');
    if (!line.starts_with(key) || colon == std::string::npos) continue;
    const size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

}  // namespace

std::optional<bool> Figure::Met() const {
  if (!target.has_value()) return std::nullopt;
  if (std::isnan(value)) return false;
  return target->kind == Target::Kind::kAtMost ? value <= target->value : value >= target->value;
}

Summary Summarize(std::vector<double> samples) {
  if (samples.empty()) return {std::numeric_limits<double>::quiet_NaN(), std::nullopt};
  std::sort(samples.begin(), samples.end());
  Summary summary{Quantile(samples, 0.5), std::nullopt};
  if (samples.size() > 1) summary.spread = Quantile(samples, 0.75) - Quantile(samples, 0.25);
  return summary;
}

void FigureTable::AddSamples(std::string_view name, const std::vector<double>& samples, std::string_view unit,
                             std::optional<Target> target) {
  const Summary summary = Summarize(samples);
  Add({std::string(name), summary.median, std::string(unit), summary.spread, target});
}

bool FigureTable::AllMet() const {
  return std::all_of(figures_.begin(), figures_.end(), [](const Figure& f) { return f.Met().value_or(true); });
}

std::string FigureTable::ToText() const {
  constexpr size_t kColumns = 6;
  std::vector<std::vector<std::string>> rows = {{"NAME", "VALUE", "UNIT", "SPREAD", "TARGET", "MET"}};
  for (const Figure& figure : figures_) {
    const std::optional<bool> met = figure.Met();
    rows.push_back(
        {figure.name, Number(figure.value), figure.unit, figure.spread.has_value() ? Number(*figure.spread) : "-",
         figure.target.has_value() ? TargetText(*figure.target) : "-", met.has_value() ? (*met ? "yes" : "NO") : "-"});
  }
  size_t widths[kColumns] = {};
  for (const auto& row : rows) {
    for (size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < kColumns; ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      const bool number = i == 1 || i == 3;
      text += number ? padding + row[i] : row[i] + (i + 1 < kColumns ? padding : "");
      text += i + 1 < kColumns ? "  " : "\n";
    }
  }
  return text;
}

std::string FigureTable::ToJson() const {
  std::string json = "[";
  for (const Figure& figure : figures_) {
    const std::optional<bool> met = figure.Met();
    absl::StrAppend(&json, json.size() > 1 ? "," : "", "\n  {\"name\": ", JsonString(figure.name),
                    ", \"value\": ", JsonNumber(figure.value), ", \"unit\": ", JsonString(figure.unit),
                    ", \"spread\": ", figure.spread.has_value() ? JsonNumber(*figure.spread) : "null",
                    ", \"target\": ", figure.target.has_value() ? JsonString(TargetText(*figure.target)) : "null",
                    ", \"met\": ", met.has_value() ? (*met ? "true" : "false") : "null", "}");
  }
  return json + (figures_.empty() ? "]\n" : "\n]\n");
}

int ShowFigures(const FigureTable& table, FigureFormat format, bool check, std::ostream& out) {
  out << (format == FigureFormat::kJson ? table.ToJson() : table.ToText()) << std::flush;
  if (!out) {
    std::fprintf(stderr, "writing the figures failed; is the disk full?\n");
    return 1;
  }
  return check && !table.AllMet() ? 1 : 0;
}

std::string DescribeMachine(const std::string& procfs) {
  std::string model = ProcValue(procfs + "/cpuinfo", "model name");
  if (model.empty()) model = "unknown CPU";
  const std::string memory = ProcValue(procfs + "/meminfo", "MemTotal");
  const double gibibytes = std::atof(memory.c_str()) / (1024.0 * 1024.0);
  utsname system{};
  uname(&system);
  return absl::StrFormat("%s, %d CPUs, %.1f GiB, %s %s %s", model, sysconf(_SC_NPROCESSORS_ONLN), gibibytes,
                         system.sysname, system.release, system.machine);
}

void Progress::Step(std::string_view name) {
  ++done_;
  *out_ << Line(name) << std::endl;
}

std::string Progress::Line(std::string_view name) const {
  const int done = std::max(0, done_);
  std::string line = absl::StrFormat("[%d/%d] %s", std::min(done + 1, steps_), steps_, std::string(name));
  if (done > 0) {
    const absl::Duration left = (clock_->Monotonic() - begin_) / done * std::max(0, steps_ - done);
    absl::StrAppend(&line, ", about ", static_cast<int64_t>(std::ceil(absl::ToDoubleSeconds(left))), " s left");
  }
  return line;
}

}  // namespace truce
