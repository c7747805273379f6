#include "lab/protect/record.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "lab/protect/windows.h"
#include "models/interference/example.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr std::string_view kHeading =
    "run\tpolicy\tvictim\taggressor\talone_pace_by_turns_seconds\tpace_seconds\taggressor_operations_per_second\t"
    "seconds_to_protect\tactions";
// Design: what protection must reach.
constexpr double kKeptRatio = 0.6;
// What a victim that was never protected counts for in the medians: more seconds than a bout has.
constexpr double kNever = 60;

std::optional<Policy> PolicyNamed(std::string_view name) {
  for (const Policy policy : Policies()) {
    if (PolicyName(policy) == name) return policy;
  }
  return std::nullopt;
}

// Seconds per operation that can have been measured.
bool IsPace(double seconds) {
  constexpr double kLongest = 3600;
  return seconds > 0 && seconds <= kLongest;
}

// A line of the file: the fields of kHeading.
std::optional<Bout> ParseBout(const std::string& line) {
  const std::vector<std::string> fields = absl::StrSplit(line, '\t');
  if (fields.size() != 9) return std::nullopt;
  Bout bout;
  const std::optional<Policy> policy = PolicyNamed(fields[1]);
  const bool numbers = absl::SimpleAtoi(fields[0], &bout.run) && absl::SimpleAtod(fields[4], &bout.alone_pace) &&
                       absl::SimpleAtod(fields[5], &bout.pace) && absl::SimpleAtod(fields[6], &bout.aggressor_rate) &&
                       absl::SimpleAtod(fields[7], &bout.seconds_to_protect) &&
                       absl::SimpleAtoi(fields[8], &bout.actions);
  if (!numbers || !policy || !IsPace(bout.alone_pace) || !IsPace(bout.pace)) return std::nullopt;
  bout.policy = *policy;
  bout.victim = fields[2];
  bout.aggressor = fields[3];
  return bout;
}

double Median(const std::vector<double>& values) {
  return values.empty() ? std::nan("") : Summarize(values).median;
}

using Pair = std::pair<std::string, std::string>;

// A pair under a policy, medians over its runs.
struct PairSummary {
  double stretch = 0;  // pace against alone
  double rate = 0;     // of the aggressor, Bout::relative_rate
  double seconds = 0;
  int runs = 0;
  int acted = 0;
};

std::map<Pair, std::map<Policy, PairSummary>> ByPair(const std::vector<Bout>& bouts) {
  std::map<Pair, std::map<Policy, std::vector<const Bout*>>> sorted;
  for (const Bout& bout : bouts) sorted[{bout.victim, bout.aggressor}][bout.policy].push_back(&bout);
  std::map<Pair, std::map<Policy, PairSummary>> summaries;
  for (const auto& [pair, policies] : sorted) {
    for (const auto& [policy, runs] : policies) {
      std::vector<double> stretches, rates, seconds;
      PairSummary& summary = summaries[pair][policy];
      for (const Bout* bout : runs) {
        stretches.push_back(bout->pace / bout->alone_pace);
        rates.push_back(bout->relative_rate());
        seconds.push_back(bout->seconds_to_protect >= 0 ? bout->seconds_to_protect : kNever);
        ++summary.runs;
        summary.acted += bout->actions > 0;
      }
      summary.stretch = Median(stretches);
      summary.rate = Median(rates);
      summary.seconds = Median(seconds);
    }
  }
  return summaries;
}

// What a policy did over all pairs.
struct PolicySummary {
  std::vector<double> stretches;  // of pairs that are hurt when nothing is done
  std::vector<double> kept;       // what their aggressors kept of what they had then
  std::vector<double> seconds;
  int hurt = 0;
  int protected_pairs = 0;
  int harmless_runs = 0;
  int wrong_actions = 0;
};

std::map<Policy, PolicySummary> ByPolicy(const std::vector<Bout>& bouts) {
  std::map<Policy, PolicySummary> policies;
  for (const auto& [pair, summaries] : ByPair(bouts)) {
    const auto nothing = summaries.find(Policy::kNothing);
    if (nothing == summaries.end()) continue;
    const bool hurt = nothing->second.stretch >= kProtectedFactor;
    const bool harmless = nothing->second.stretch < 1 + kNoticedSlowdown;
    for (const auto& [policy, summary] : summaries) {
      PolicySummary& sum = policies[policy];
      if (harmless) {
        sum.harmless_runs += summary.runs;
        sum.wrong_actions += summary.acted;
      }
      if (!hurt) continue;
      ++sum.hurt;
      sum.stretches.push_back(summary.stretch);
      if (nothing->second.rate > 0) sum.kept.push_back(summary.rate / nothing->second.rate);
      if (summary.stretch <= kProtectedFactor) ++sum.protected_pairs;
      sum.seconds.push_back(summary.seconds);
    }
  }
  return policies;
}

}  // namespace

std::string_view PolicyName(Policy policy) {
  switch (policy) {
    case Policy::kNothing:
      return "nothing";
    case Policy::kEvidence:
      return "evidence";
    case Policy::kModel:
      return "model";
    case Policy::kBoth:
      return "both";
    case Policy::kLeastWeight:
      return "least_weight";
    case Policy::kDropAndRegain:
      return "drop_and_regain";
  }
  return "";
}

const std::vector<Policy>& Policies() {
  static const std::vector<Policy> kPolicies = {Policy::kNothing, Policy::kEvidence,    Policy::kModel,
                                                Policy::kBoth,    Policy::kLeastWeight, Policy::kDropAndRegain};
  return kPolicies;
}

bool IsByTruce(Policy policy) {
  return policy == Policy::kEvidence || policy == Policy::kModel || policy == Policy::kBoth;
}

absl::Status BeginBouts(const std::string& file, const std::string& setting) {
  errno = 0;
  std::ofstream out(file, std::ios::app);
  if (out && out.tellp() == 0) out << "# " << setting << "\n" << kHeading << "\n";
  out.close();
  return out ? absl::OkStatus() : ErrnoStatus(errno, StrCat("writing ", file));
}

absl::Status AppendBout(const std::string& file, const Bout& bout) {
  errno = 0;
  std::ofstream out(file, std::ios::app);
  out << bout.run << '\t' << PolicyName(bout.policy) << '\t' << bout.victim << '\t' << bout.aggressor << '\t'
      << absl::StrFormat("%.9g\t%.9g\t%.6g\t%.2f\t%d\n", bout.alone_pace, bout.pace, bout.aggressor_rate,
                         bout.seconds_to_protect, bout.actions);
  out.close();
  return out ? absl::OkStatus() : ErrnoStatus(errno, StrCat("writing ", file));
}

absl::StatusOr<std::vector<Bout>> ReadBouts(const std::string& file, const std::string& setting) {
  std::vector<Bout> bouts;
  std::ifstream in(file);
  if (!in) return bouts;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (number == 1) {
      if (line == StrCat("# ", setting)) continue;
      if (!line.starts_with("# ")) {
        return absl::DataLossError(
            StrCat(file, " holds no results of truce-lab protect; choose another with --output"));
      }
      return absl::FailedPreconditionError(
          StrCat(file, " holds what was measured on another machine, or of another version or model (", line.substr(2),
                 "; this is ", setting, "); choose another file with --output"));
    }
    if (number == 2) {
      if (line == kHeading) continue;
      return absl::FailedPreconditionError(
          StrCat(file, " was made by a version that measured in another way; choose another file with --output"));
    }
    const std::optional<Bout> bout = ParseBout(line);
    if (!bout) return absl::DataLossError(StrCat(file, ":", number, ": '", line, "' is no bout; remove the line"));
    bouts.push_back(*bout);
  }
  return bouts;
}

void WriteBouts(const std::vector<Bout>& bouts, std::ostream& out) {
  std::vector<Policy> tried;
  for (const Policy policy : Policies()) {
    const auto is_of = [policy](const Bout& bout) { return bout.policy == policy; };
    if (policy != Policy::kNothing && std::any_of(bouts.begin(), bouts.end(), is_of)) tried.push_back(policy);
  }
  out << absl::StrFormat("%-32s %10s", "VICTIM <- AGGRESSOR", "NOTHING");
  for (const Policy policy : tried) out << absl::StrFormat(" %26s", PolicyName(policy));
  out << "\n";
  for (const auto& [pair, summaries] : ByPair(bouts)) {
    const auto nothing = summaries.find(Policy::kNothing);
    const bool contended = nothing != summaries.end();
    out << absl::StrFormat("%-32s", StrCat(pair.first, " <- ", pair.second));
    out << (contended ? absl::StrFormat(" %8.2f x", nothing->second.stretch) : std::string("          -"));
    for (const Policy policy : tried) {
      const auto found = summaries.find(policy);
      if (found == summaries.end()) {
        out << absl::StrFormat(" %26s", "-");
        continue;
      }
      const PairSummary& summary = found->second;
      const double kept = contended && nothing->second.rate > 0 ? summary.rate / nothing->second.rate : std::nan("");
      const std::string when = summary.seconds < kNever ? absl::StrFormat("%.0f s", summary.seconds) : "never";
      out << absl::StrFormat(" %26s", absl::StrFormat("%.2f x, kept %3.0f %%, %5s", summary.stretch, 100 * kept, when));
    }
    out << "\n";
  }
  out << "\nTime per operation against alone, what the aggressor kept of its rate, and when the victim came to within "
         "1.3 x for good;\nmedians over runs\n\n";
}

FigureTable BoutFigures(const std::vector<Bout>& bouts) {
  FigureTable table;
  for (const auto& [policy, sum] : ByPolicy(bouts)) {
    const bool ours = IsByTruce(policy);
    const std::string name(PolicyName(policy));
    const auto target = [ours](Target one) { return ours ? std::optional<Target>(one) : std::nullopt; };
    table.AddSamples(StrCat(name, ": victims against alone"), sum.stretches, "x", target(AtMost(kProtectedFactor)));
    table.AddSamples(StrCat(name, ": aggressors kept"), sum.kept, "ratio", target(AtLeast(kKeptRatio)));
    if (policy == Policy::kNothing) continue;
    const double seconds = policy == Policy::kEvidence ? 15 : 10;
    table.AddSamples(StrCat(name, ": protected after"), sum.seconds, "s", target(AtMost(seconds)));
    if (sum.hurt > 0) {
      table.Add({.name = StrCat(name, ": hurt pairs protected"),
                 .value = static_cast<double>(sum.protected_pairs) / sum.hurt,
                 .unit = "ratio"});
    }
    if (sum.harmless_runs > 0) {
      table.Add({.name = StrCat(name, ": runs of harmless pairs acted upon"),
                 .value = static_cast<double>(sum.wrong_actions) / sum.harmless_runs,
                 .unit = "ratio",
                 .target = target(AtMost(0.01))});
    }
  }
  return table;
}

}  // namespace truce::lab
