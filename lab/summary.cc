#include "lab/summary.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/str_format.h"
#include "lab/dataset.h"
#include "lab/labels.h"
#include "models/interference/example.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

struct ProgramSummary {
  int meetings = 0;
  std::vector<double> suffered;
  std::vector<double> caused;
};

double MedianOf(std::vector<double> values) {
  return values.empty() ? 0 : Summarize(std::move(values)).median;
}

std::map<std::string, ProgramSummary> ByProgram(const DatasetContent& content, const std::vector<Label>& labels) {
  std::map<std::string, ProgramSummary> programs;
  for (const Label& label : labels) {
    if (label.disturbed) continue;
    ProgramSummary& victim = programs[content.lives.at(label.victim).program];
    ++victim.meetings;
    victim.suffered.push_back(label.slowdown);
    if (label.aggressors.size() != 1) continue;
    programs[content.lives.at(label.aggressors[0]).program].caused.push_back(label.slowdown);
  }
  return programs;
}

void WriteTable(const std::map<std::string, ProgramSummary>& programs, const DatasetContent& content,
                std::ostream& out) {
  out << content.meta.at("machine") << "\n\n";
  out << absl::StrFormat("%-18s %-15s %8s  %-26s  %-26s\n", "PROGRAM", "KIND", "MEETINGS", "IS SLOWED, MEDIAN, >= 5 %",
                         "SLOWS, MEDIAN, >= 5 %");
  const auto noticed = [](const std::vector<double>& slowdowns) {
    const auto count =
        std::count_if(slowdowns.begin(), slowdowns.end(), [](double one) { return one >= kNoticedSlowdown; });
    return slowdowns.empty() ? 0.0 : 100.0 * static_cast<double>(count) / static_cast<double>(slowdowns.size());
  };
  for (const auto& [name, program] : programs) {
    const auto kind = content.kind_of_program.find(name);
    out << absl::StrFormat("%-18s %-15s %8d  %8.0f %%  %8.0f %%       %8.0f %%  %8.0f %%\n", name,
                           kind == content.kind_of_program.end() ? "" : kind->second, program.meetings,
                           100 * MedianOf(program.suffered), noticed(program.suffered), 100 * MedianOf(program.caused),
                           noticed(program.caused));
  }
  out << "\n";
}

}  // namespace

absl::StatusOr<FigureTable> Summarise(const std::string& file, std::ostream& out, bool quiet) {
  TRUCE_ASSIGN_OR_RETURN(const DatasetContent content, Dataset::Load(file));
  const std::vector<Label> labels = MakeLabels(content);
  const auto programs = ByProgram(content, labels);
  if (!quiet) WriteTable(programs, content, out);
  std::vector<double> slowdowns;
  std::vector<double> errors;
  int disturbed = 0;
  int unfinished = 0;
  int noticed = 0;
  for (const Label& label : labels) {
    unfinished += label.unfinished;
    if (label.disturbed) {
      ++disturbed;
      continue;
    }
    slowdowns.push_back(label.slowdown);
    errors.push_back(label.error);
    noticed += label.slowdown >= kNoticedSlowdown;
  }
  size_t samples = 0;
  for (const auto& [_, life] : content.lives) samples += life.samples.size();
  FigureTable table;
  table.Add({.name = "programs", .value = static_cast<double>(programs.size()), .unit = "", .target = AtLeast(24)});
  table.Add({.name = "samples", .value = static_cast<double>(samples), .unit = "s"});
  table.Add({.name = "labels", .value = static_cast<double>(slowdowns.size()), .unit = ""});
  table.Add({.name = "labels disturbed", .value = static_cast<double>(disturbed), .unit = ""});
  table.Add({.name = "of those, victim finished nothing", .value = static_cast<double>(unfinished), .unit = ""});
  table.Add({.name = "labels slowed by 5 % or more",
             .value = slowdowns.empty() ? 0 : static_cast<double>(noticed) / static_cast<double>(slowdowns.size()),
             .unit = "ratio"});
  table.AddSamples("slowdown", slowdowns, "ratio");
  table.AddSamples("standard error of a label", errors, "ratio");
  table.AddSamples("difference between repeats", RepeatDifferences(content, labels), "ratio");
  return table;
}

}  // namespace truce::lab
