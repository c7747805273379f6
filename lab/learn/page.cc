#include "lab/learn/page.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/str_format.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr double kSide = 360;   // of a square picture, in pixels
constexpr double kMargin = 48;  // for its axes
constexpr double kLargest = 4;  // slowdown at the end of the axes
constexpr double kCell = 18;    // of the matrix

constexpr char kStyle[] =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#1a1a1a;"
    "background:#fff}h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}table{border-collapse:collapse;margin:.5em "
    "0}"
    "td,th{padding:.25em .8em;border-bottom:1px solid #ddd;text-align:right;font-variant-numeric:tabular-nums}"
    "td:first-child,th:first-child{text-align:left}tr.ours{font-weight:600}small{color:#666}"
    "svg{max-width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:#444}";

std::string Escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '<') {
      escaped += "&lt;";
    } else if (c == '&') {
      escaped += "&amp;";
    } else if (c == '"') {
      escaped += "&quot;";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string Table(const std::vector<NamedMarks>& rows, std::string_view title, bool first_is_ours) {
  std::string html = StrCat("<table><tr><th>", title,
                            "<th>AUC<th>error of the slowdown<th>Brier score<th>rank of neighbours<th>slowdowns");
  const auto cell = [](const Estimate& estimate) {
    if (std::isnan(estimate.interval.low)) return std::string("<td>–");
    return absl::StrFormat("<td>%.3f <small>%.3f–%.3f</small>", estimate.value, estimate.interval.low,
                           estimate.interval.high);
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    StrAppend(&html, first_is_ours && i == 0 ? "<tr class=ours>" : "<tr>", "<td>", Escape(rows[i].name),
              cell(rows[i].marks.auc), cell(rows[i].marks.error), cell(rows[i].marks.brier), cell(rows[i].marks.rank),
              "<td>", rows[i].marks.labels);
  }
  return html + "</table>";
}

// A square picture with labelled axes; `content` is drawn in its coordinates.
std::string Square(std::string_view x_label, std::string_view y_label,
                   const std::vector<std::pair<double, std::string>>& ticks, const std::string& content) {
  const double whole = kSide + 2 * kMargin;
  std::string svg = absl::StrFormat(
      "<svg width=%.0f height=%.0f viewBox='0 0 %.0f %.0f' role=img><rect x=%.0f y=%.0f width=%.0f height=%.0f "
      "fill=none stroke='#bbb'/><line x1=%.0f y1=%.0f x2=%.0f y2=%.0f stroke='#bbb' stroke-dasharray='4 3'/>",
      whole, whole, whole, whole, kMargin, kMargin, kSide, kSide, kMargin, kMargin + kSide, kMargin + kSide, kMargin);
  for (const auto& [at, text] : ticks) {
    StrAppend(&svg,
              absl::StrFormat(
                  "<text x=%.1f y=%.1f text-anchor=middle>%s</text><text x=%.1f y=%.1f text-anchor=end>%s</text>",
                  kMargin + at * kSide, kMargin + kSide + 16, text, kMargin - 6, kMargin + (1 - at) * kSide + 4, text));
  }
  return StrCat(svg,
                absl::StrFormat("<text x=%.1f y=%.1f text-anchor=middle>%s</text><text x=14 y=%.1f text-anchor=middle "
                                "transform='rotate(-90 14 %.1f)'>%s</text>",
                                kMargin + kSide / 2, kMargin + kSide + 36, x_label, kMargin + kSide / 2,
                                kMargin + kSide / 2, y_label),
                content, "</svg>");
}

// What is not known is a dash.
std::string Known(const char* format, double value) {
  if (std::isnan(value)) return "–";
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string ForesightTable(const Foresight& foresight) {
  if (foresight.bursts == 0) return "";
  std::string html = "<h2>By second of a burst</h2><table><tr><th>AUC after";
  for (int second = 0; second <= kForesightSeconds; ++second) StrAppend(&html, "<th>", second, " s");
  html += "<th>known after, median<th>found<th>false alarms";
  const auto row = [&html](const char* name, const Foresight::Side& side) {
    StrAppend(&html, "<tr><td>", name);
    for (const double auc : side.auc) StrAppend(&html, "<td>", Known("%.3f", auc));
    const bool never = side.median_seconds > kForesightSeconds;
    StrAppend(&html, "<td>", never ? "over " : "", std::min<double>(kForesightSeconds, side.median_seconds), " s",
              absl::StrFormat("<td>%.0f %%<td>%.0f %%", 100 * side.found_ratio, 100 * side.false_alarm_ratio));
  };
  row("LSTM, known neighbour", foresight.known);
  row("LSTM, newcomer", foresight.newcomer);
  row("evidence alone", foresight.evidence);
  return StrCat(html, "</table><p>", foresight.bursts,
                " bursts of one neighbour beside a victim that was alone for a few seconds before.");
}

std::string CalibrationPicture(const std::vector<Judged>& judged) {
  std::string dots;
  for (const CalibrationBin& bin : CalibrationBins(judged)) {
    if (bin.count == 0) continue;
    StrAppend(&dots, absl::StrFormat("<circle cx=%.1f cy=%.1f r=%.1f fill='#1f6feb' fill-opacity=.8><title>said %.2f, "
                                     "happened %.2f, %d times</title></circle>",
                                     kMargin + bin.predicted * kSide, kMargin + (1 - bin.happened) * kSide,
                                     std::clamp(std::sqrt(static_cast<double>(bin.count)) / 2, 2.5, 14.0),
                                     bin.predicted, bin.happened, bin.count));
  }
  return Square("probability that was said", "share that was slowed by 5 % or more",
                {{0, "0"}, {0.25, "0.25"}, {0.5, "0.5"}, {0.75, "0.75"}, {1, "1"}}, dots);
}

double OnAxis(double log_slowdown) {
  return std::clamp(log_slowdown / std::log1p(kLargest), 0.0, 1.0);
}

std::string ScatterPicture(const std::vector<Judged>& judged) {
  std::string dots;
  for (const Judged& one : judged) {
    const double x = OnAxis(one.example->log_slowdown);
    const double y = OnAxis(one.prediction.log_slowdown);
    std::string others;
    for (size_t i = 1; i < one.example->programs.size(); ++i)
      StrAppend(&others, i > 1 ? ", " : "", one.example->programs[i]);
    StrAppend(&dots,
              absl::StrFormat("<circle cx=%.1f cy=%.1f r=2.5 fill='#1f6feb' fill-opacity=.35><title>%s beside %s: "
                              "measured %.0f %%, predicted %.0f %%</title></circle>",
                              kMargin + x * kSide, kMargin + (1 - y) * kSide, Escape(one.example->programs[0]),
                              Escape(others), 100 * std::expm1(one.example->log_slowdown),
                              100 * std::expm1(one.prediction.log_slowdown)));
  }
  std::vector<std::pair<double, std::string>> ticks;
  for (const double slowdown : {0.0, 0.1, 0.5, 1.0, 2.0, 4.0}) {
    ticks.emplace_back(OnAxis(std::log1p(slowdown)), absl::StrFormat("%.0f %%", 100 * slowdown));
  }
  return Square("measured slowdown", "predicted slowdown", ticks, dots);
}

// White for none, red for a slowdown of 100 % or more.
std::string Colour(double slowdown) {
  const double share = std::clamp(slowdown, 0.0, 1.0);
  return absl::StrFormat("rgb(255,%d,%d)", static_cast<int>(255 - 190 * share), static_cast<int>(255 - 205 * share));
}

// Mean slowdown by victim (row) and aggressor (column), measured above the diagonal of each cell and predicted below.
std::string MatrixPicture(const std::vector<Judged>& judged) {
  struct Cell {
    double measured = 0;
    double predicted = 0;
    int count = 0;
  };
  std::map<std::pair<std::string, std::string>, Cell> cells;
  std::set<std::string> names;
  for (const Judged& one : judged) {
    if (one.example->programs.size() != 2) continue;
    Cell& cell = cells[{one.example->programs[0], one.example->programs[1]}];
    cell.measured += std::expm1(one.example->log_slowdown);
    cell.predicted += std::expm1(one.prediction.log_slowdown);
    ++cell.count;
    names.insert(one.example->programs.begin(), one.example->programs.end());
  }
  constexpr double kNames = 120;
  const double side = kNames + kCell * static_cast<double>(names.size());
  std::string svg =
      absl::StrFormat("<svg width=%.0f height=%.0f viewBox='0 0 %.0f %.0f' role=img>", side, side, side, side);
  double at = kNames;
  std::map<std::string, double> place;
  for (const std::string& name : names) {
    place[name] = at;
    StrAppend(&svg, absl::StrFormat("<text x=%.0f y=%.1f text-anchor=end>%s</text><text x=%.1f y=%.0f "
                                    "transform='rotate(-90 %.1f %.0f)'>%s</text>",
                                    kNames - 4, at + kCell / 2 + 4, Escape(name), at + kCell / 2 + 4, kNames - 4,
                                    at + kCell / 2 + 4, kNames - 4, Escape(name)));
    at += kCell;
  }
  for (const auto& [pair, cell] : cells) {
    const double x = place[pair.second];
    const double y = place[pair.first];
    const double measured = cell.measured / cell.count;
    const double predicted = cell.predicted / cell.count;
    StrAppend(&svg, absl::StrFormat("<g stroke='#ccc' stroke-width=.5><path d='M%.0f %.0fh%.0fL%.0f %.0fz' fill='%s'/>"
                                    "<path d='M%.0f %.0fv%.0fL%.0f %.0fz' fill='%s'/><title>%s slowed by %s: measured "
                                    "%.0f %%, predicted %.0f %%</title></g>",
                                    x, y, kCell, x, y + kCell, Colour(measured), x + kCell, y + kCell, -kCell, x,
                                    y + kCell, Colour(predicted), Escape(pair.first), Escape(pair.second),
                                    100 * measured, 100 * predicted));
  }
  return svg + "</svg>";
}

}  // namespace

std::string EvaluationPage(const Evaluation& evaluation) {
  std::string figures = "<table><tr><th>figure<th>value<th>target";
  const FigureTable table = EvaluationFigures(evaluation);
  for (const Figure& figure : table.figures()) {
    StrAppend(&figures, "<tr><td>", Escape(figure.name), "<td>", Known("%.4g", figure.value), " ", Escape(figure.unit),
              "<td>");
    if (!figure.target) continue;
    StrAppend(&figures, figure.target->kind == Target::Kind::kAtMost ? "≤ " : "≥ ",
              absl::StrFormat("%.4g, %s", figure.target->value, *figure.Met() ? "met" : "missed"));
  }
  return StrCat(
      "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
      "<title>Truce: interference predicted for programs never seen</title><style>",
      kStyle, "</style><h1>Interference predicted for programs never seen</h1><p>", Escape(evaluation.machine), ". ",
      evaluation.programs, " programs, ", evaluation.meetings, " meetings, ", evaluation.labels,
      " slowdowns; each was told by a model that had never seen one of the programs that met. Small print: 95 % "
      "bootstrap intervals over meetings.",
      figures, "</table><h2>Beside other methods</h2>", Table(evaluation.predictors, "predictor", true),
      "<p>AUC and Brier score of “slowed by 5 % or more”; error: mean absolute error of the slowdown (1 = twice the "
      "time); rank: Spearman's, over the meetings of a victim.",
      "<p>The same over meetings whose label lies two standard errors or more from 5 %.",
      Table(evaluation.sure, "predictor", true),
      evaluation.again.empty() ? ""
                               : "<p>Meetings that were measured again: one measurement as the prediction of the "
                                 "other. Both are noisy; who knew the truth would err by 0.7 of that.",
      evaluation.again.empty() ? "" : Table(evaluation.again, "measurement", false), "<h2>Calibration</h2>",
      CalibrationPicture(evaluation.judged), "<h2>Predicted against measured</h2>", ScatterPicture(evaluation.judged),
      "<h2>Who slows whom</h2><p>Rows are victims. In each cell: measured (upper left) and predicted (lower right), "
      "averaged over the CPUs that they shared; white is nothing, red twice the time or more.<br>",
      MatrixPicture(evaluation.judged), "<h2>By moment</h2>", Table(evaluation.moments, "judged", false),
      ForesightTable(evaluation.foresight), "<h2>By who was new</h2>", Table(evaluation.novelty, "new", false),
      "<h2>With fewer readings</h2>", Table(evaluation.masked, "readings", false), "<h2>By familiarity</h2>",
      Table(evaluation.familiar, "familiarity", false), "</html>\n");
}

}  // namespace truce::lab
