#include "lab/fleet/report.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_format.h"
#include "src/base/text.h"

namespace truce::lab::fleet {
namespace {

// What ours must reach against the best of the others: of the slowdown, or of the hosts.
constexpr double kLeastCut = 0.5;
constexpr double kLeastFewer = 0.15;

struct Column {
  std::string name;
  std::string unit;
  std::function<double(const Outcome&)> of;
};

const std::vector<Column>& Columns() {
  static const std::vector<Column> columns = {
      {"critical mean", "%", [](const Outcome& run) { return 100 * run.critical().Mean(); }},
      {"critical p99", "%", [](const Outcome& run) { return 100 * run.critical().Quantile(0.99); }},
      {"critical >= 5 %", "%", [](const Outcome& run) { return 100 * run.critical().NoticedRatio(); }},
      {"standard mean", "%", [](const Outcome& run) { return 100 * run.by_class[1].Mean(); }},
      {"best effort mean", "%", [](const Outcome& run) { return 100 * run.by_class[2].Mean(); }},
      {"mean of all", "%", [](const Outcome& run) { return 100 * run.MeanOfAll(); }},
      {"hosts used", "", [](const Outcome& run) { return run.mean_hosts_used; }},
      {"CPU used", "%", [](const Outcome& run) { return 100 * run.mean_cpu_used; }},
      {"energy", "kWh", [](const Outcome& run) { return run.energy_kwh; }},
      {"migrations", "", [](const Outcome& run) { return static_cast<double>(run.migrations); }},
      {"violations", "%", [](const Outcome& run) { return 100 * run.ViolationRatio(); }},
      {"waiting", "%", [](const Outcome& run) { return 100 * run.WaitingRatio(); }},
  };
  return columns;
}

std::string NameOf(const Row& row) {
  return row.knowledge.empty() ? row.policy : StrCat(row.policy, " (", row.knowledge, ")");
}

std::vector<double> Samples(const Row& row, const Column& column) {
  std::vector<double> samples;
  for (const Outcome& outcome : row.outcomes) samples.push_back(column.of(outcome));
  return samples;
}

// What ours saves, by seed, as parts.
struct Savings {
  std::string knowledge;
  std::vector<double> mean;
  std::vector<double> p99;
  std::vector<double> hosts;
  bool Reached() const {
    const auto median = [](const std::vector<double>& samples) { return Summarize(samples).median; };
    return (median(mean) >= kLeastCut && median(p99) >= kLeastCut) || median(hosts) >= kLeastFewer;
  }
};

std::vector<Savings> SavingsOf(const FleetResult& result) {
  std::vector<Savings> all;
  for (const FewestHosts& fewest : result.fewest) {
    Savings savings{fewest.knowledge, {}, {}, {}};
    const Row& ours = *FindOurs(result, fewest.knowledge);
    for (size_t i = 0; i < ours.outcomes.size(); ++i) {
      const BestOfOthers best = *FindBest(result, i);
      const Slowdowns& critical = ours.outcomes[i].critical();
      savings.mean.push_back(best.mean > 0 ? 1 - critical.Mean() / best.mean : 0);
      savings.p99.push_back(best.p99 > 0 ? 1 - critical.Quantile(0.99) / best.p99 : 0);
      savings.hosts.push_back(1 - fewest.hosts[i] / static_cast<double>(result.options.world.hosts));
    }
    all.push_back(std::move(savings));
  }
  return all;
}

std::vector<double> OfWorlds(const FleetResult& result, const std::function<double(const WorldFacts&)>& of) {
  std::vector<double> samples;
  for (const WorldFacts& world : result.worlds) samples.push_back(of(world));
  return samples;
}

std::string WithSpread(const std::vector<double>& samples) {
  const Summary summary = Summarize(samples);
  return summary.spread ? absl::StrFormat("%.2f +-%.2f", summary.median, *summary.spread / 2)
                        : absl::StrFormat("%.2f", summary.median);
}

void WriteMarks(const FleetResult& result, std::ostream& out) {
  out << absl::StrFormat("%-36s %-14s %-14s %s\n", "WHAT IS KNOWN OF INTERFERENCE", "AUC", "ERROR", "RANK");
  out << absl::StrFormat("%-36s %-14.3f %-14.3f %.3f\n", "shipped model, programs never seen", kShippedMarks.auc,
                         kShippedMarks.error, kShippedMarks.rank);
  const auto line = [&](std::string_view name, ModelMarks WorldFacts::*marks) {
    const auto median = [&](double ModelMarks::*mark) {
      return Summarize(OfWorlds(result, [&](const WorldFacts& world) { return world.*marks.*mark; })).median;
    };
    out << absl::StrFormat("%-36s %-14.3f %-14.3f %.3f\n", std::string(name), median(&ModelMarks::auc),
                           median(&ModelMarks::error), median(&ModelMarks::rank));
  };
  line("real, here", &WorldFacts::real);
  line("perfect, here", &WorldFacts::perfect);
  out << absl::StrFormat("\n%-36s %-14s %-14s %-14s %s\n", "MEETINGS OF TWO, AS IN THE LAB", ">= 5 %", "MEAN",
                         "APART, >= 5 %", "APART, MEAN");
  const auto meetings = [&](std::string_view name, const MeetingFacts& facts) {
    out << absl::StrFormat("%-36s %-14.2f %-14.3f %-14.2f %.3f\n", std::string(name), facts.slowed, facts.mean,
                           facts.apart_slowed, facts.apart_mean);
  };
  const auto median = [&](double MeetingFacts::*fact) {
    return Summarize(OfWorlds(result, [&](const WorldFacts& world) { return world.meetings.*fact; })).median;
  };
  meetings("measured", kMeasuredMeetings);
  meetings("here", {median(&MeetingFacts::slowed), median(&MeetingFacts::mean), median(&MeetingFacts::apart_slowed),
                    median(&MeetingFacts::apart_mean)});
}

void WriteSavings(const FleetResult& result, std::ostream& out) {
  for (const Savings& savings : SavingsOf(result)) {
    const auto percent = [](const std::vector<double>& parts) {
      std::vector<double> samples;
      for (const double part : parts) samples.push_back(100 * part);
      return WithSpread(samples);
    };
    out << absl::StrFormat("\ntruce (%s) against the best of the others, in each world\n", savings.knowledge)
        << absl::StrFormat("  critical slowdown, mean     %s %% less (target %.0f %%)\n", percent(savings.mean),
                           100 * kLeastCut)
        << absl::StrFormat("  critical slowdown, p99      %s %% less (target %.0f %%)\n", percent(savings.p99),
                           100 * kLeastCut)
        << absl::StrFormat("  hosts for the same slowdown %s %% fewer (target instead of both: %.0f %%)\n",
                           percent(savings.hosts), 100 * kLeastFewer)
        << "  " << (savings.Reached() ? "reached" : "NOT reached") << "\n";
  }
}

}  // namespace

void WriteFleet(const FleetResult& result, std::ostream& out) {
  out << result.options.world.hosts << " hosts, " << result.options.world.hours << " h, " << result.worlds.size()
      << " worlds; medians, +- half of the interquartile range; slowdowns in percent\n\n";
  WriteMarks(result, out);
  out << absl::StrFormat("\n%-24s %-14s %-14s %-14s %-8s %-8s %-6s %6s %5s %6s %6s %7s %7s\n", "POLICY",
                         "CRITICAL MEAN", "P99", ">= 5 %", "STANDARD", "B.EFFORT", "ALL", "HOSTS", "CPU", "kWh",
                         "MOVES", "BROKEN", "WAITING");
  for (const Row& row : result.rows) {
    std::vector<std::vector<double>> samples;
    std::vector<double> medians;
    for (const Column& column : Columns()) {
      samples.push_back(Samples(row, column));
      medians.push_back(Summarize(samples.back()).median);
    }
    out << absl::StrFormat("%-24s %-14s %-14s %-14s %-8.2f %-8.2f %-6.2f %6.0f %4.0f%% %6.0f %6.0f %6.2f%% %6.2f%%\n",
                           NameOf(row), WithSpread(samples[0]), WithSpread(samples[1]), WithSpread(samples[2]),
                           medians[3], medians[4], medians[5], medians[6], medians[7], medians[8], medians[9],
                           medians[10], medians[11]);
  }
  WriteSavings(result, out);
}

FigureTable FleetFigures(const FleetResult& result) {
  FigureTable table;
  table.AddSamples("model AUC", OfWorlds(result, [](const WorldFacts& world) { return world.real.auc; }), "");
  table.AddSamples("model error", OfWorlds(result, [](const WorldFacts& world) { return world.real.error; }), "");
  table.AddSamples("model rank correlation", OfWorlds(result, [](const WorldFacts& world) { return world.real.rank; }),
                   "");
  table.AddSamples("error of a signature's figures, log",
                   OfWorlds(result, [](const WorldFacts& world) { return world.error; }), "");
  table.AddSamples("meetings of two slowed by 5 % or more",
                   OfWorlds(result, [](const WorldFacts& world) { return world.meetings.slowed; }), "ratio");
  table.AddSamples("meetings of two, mean slowdown",
                   OfWorlds(result, [](const WorldFacts& world) { return world.meetings.mean; }), "ratio");
  table.AddSamples("busy on CPUs of their own, slowed by 5 % or more",
                   OfWorlds(result, [](const WorldFacts& world) { return world.meetings.apart_slowed; }), "ratio");
  table.AddSamples("busy on CPUs of their own, mean slowdown",
                   OfWorlds(result, [](const WorldFacts& world) { return world.meetings.apart_mean; }), "ratio");
  for (const Row& row : result.rows) {
    for (const Column& column : Columns()) {
      table.AddSamples(StrCat(NameOf(row), " ", column.name), Samples(row, column), column.unit);
    }
  }
  for (const Savings& savings : SavingsOf(result)) {
    table.AddSamples(StrCat("less critical mean (", savings.knowledge, ")"), savings.mean, "ratio");
    table.AddSamples(StrCat("less critical p99 (", savings.knowledge, ")"), savings.p99, "ratio");
    table.AddSamples(StrCat("fewer hosts (", savings.knowledge, ")"), savings.hosts, "ratio");
    table.Add(
        {StrCat("reached (", savings.knowledge, ")"), savings.Reached() ? 1.0 : 0.0, "", std::nullopt, AtLeast(1)});
  }
  return table;
}

}  // namespace truce::lab::fleet
