#include "lab/forecast/conformance.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>

#include "lab/command_line.h"
#include "models/forecast/arima.h"
#include "models/forecast/ets.h"
#include "models/forecast/theta.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr double kClose = 0.01;
constexpr double kWorseAicc = 2;

std::vector<double> Numbers(std::istream& line) {
  std::vector<double> numbers;
  for (double number; line >> number;) numbers.push_back(number);
  return numbers;
}

// The number after the word; false when there is none.
bool NumberAfter(const std::string& word, std::istream& line, double& number) {
  for (std::string token; line >> token;)
    if (token == word) return static_cast<bool>(line >> number);
  return false;
}

// "p,d,q" or "p,d,q,P,D,Q,m".
bool ParseOrder(std::string text, ArimaOrder& order) {
  std::replace(text.begin(), text.end(), ',', ' ');
  std::istringstream in(text);
  std::vector<size_t> numbers;
  for (size_t number; in >> number;) numbers.push_back(number);
  if (!in.eof() || (numbers.size() != 3 && numbers.size() != 7)) return false;
  numbers.resize(7, 0);
  order = {numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], std::max<size_t>(numbers[6], 1)};
  return true;
}

bool ReadArima(std::istream& line, Reference& reference) {
  std::string order, token;
  if (!(line >> order) || !ParseOrder(order, reference.arima)) return false;
  if (!NumberAfter("aicc", line, reference.arima_aicc)) return false;
  while (line >> token)
    if (token == "drift" || token == "intercept") reference.arima.constant = true;
  return true;
}

bool ReadEts(std::istream& line, Reference& reference) {
  std::string name;
  line >> name;
  const absl::StatusOr<EtsForm> form = EtsForm::Parse(name);
  if (form.ok()) reference.ets = *form;
  return form.ok() && NumberAfter("aicc", line, reference.ets_aicc);
}

// One line about the series that the newest `series` line began. False when it can't be understood.
bool ReadLine(const std::string& word, std::istream& line, Reference& reference) {
  if (word == "ets") return ReadEts(line, reference);
  if (word == "arima") return ReadArima(line, reference);
  if (word == "ses") return NumberAfter("fc", line, reference.ses_forecast);
  std::vector<double>* const numbers = word == "y"          ? &reference.values
                                       : word == "ets_fc"   ? &reference.ets_forecast
                                       : word == "arima_fc" ? &reference.arima_forecast
                                       : word == "theta_fc" ? &reference.theta_forecast
                                                            : nullptr;
  if (numbers == nullptr) return false;
  *numbers = Numbers(line);
  return line.eof() && !numbers->empty();
}

std::vector<double> Means(const InnovationModel& model, size_t steps) {
  std::vector<double> means;
  ModelState state = model.state();
  for (size_t step = 0; step < steps; ++step) {
    means.push_back(model.Mean(state));
    model.Advance(state, 0);
  }
  return means;
}

double LargestDifference(const std::vector<double>& ours, const std::vector<double>& theirs) {
  double largest = 0;
  for (size_t i = 0; i < theirs.size(); ++i)
    largest = std::max(largest, std::fabs(ours[i] - theirs[i]) / std::fabs(theirs[i]));
  return largest;
}

void Compare(const std::string& what, double aicc, double their_aicc, const InnovationModel& model,
             const std::vector<double>& forecast, FigureTable& table) {
  table.Add({StrCat(what, ", AICc"), aicc, "", std::nullopt, std::nullopt});
  table.Add({StrCat(what, ", AICc apart from R's"), std::fabs(aicc - their_aicc) / std::fabs(their_aicc), "ratio",
             std::nullopt, AtMost(kClose)});
  table.Add({StrCat(what, ", forecasts apart from R's"), LargestDifference(Means(model, forecast.size()), forecast),
             "ratio", std::nullopt, AtMost(kClose)});
}

absl::Status ConformEts(const Reference& reference, FigureTable& table) {
  const auto same = FitEts(reference.values, reference.period, reference.ets);
  if (!same.ok()) return same.status();
  Compare(StrCat(reference.name, ": ", reference.ets.Name()), same->aicc, reference.ets_aicc, same->model,
          reference.ets_forecast, table);
  const auto own = SelectEts(reference.values, reference.period);
  if (!own.ok()) return own.status();
  table.Add({StrCat(reference.name, ": our choice ", own->model.form().Name(), ", AICc above R's"),
             own->aicc - reference.ets_aicc, "", std::nullopt, AtMost(kWorseAicc)});
  return absl::OkStatus();
}

absl::Status ConformArima(const Reference& reference, FigureTable& table) {
  const auto same = FitArima(reference.values, reference.arima);
  if (!same.ok()) return same.status();
  Compare(StrCat(reference.name, ": ", reference.arima.Name()), same->aicc, reference.arima_aicc, same->model,
          reference.arima_forecast, table);
  const auto own = SelectArima(reference.values, reference.period);
  if (!own.ok()) return own.status();
  table.Add({StrCat(reference.name, ": our choice ", own->model.order().Name(), ", AICc above R's"),
             own->aicc - reference.arima_aicc, "", std::nullopt, AtMost(kWorseAicc)});
  return absl::OkStatus();
}

absl::Status ConformSimple(const Reference& reference, FigureTable& table) {
  const auto smoothing = FitEts(reference.values, 1, EtsForm());
  if (!smoothing.ok()) return smoothing.status();
  table.Add({StrCat(reference.name, ": simple smoothing, forecast apart from R's"),
             LargestDifference(Means(smoothing->model, 1), {reference.ses_forecast}), "ratio", std::nullopt,
             AtMost(kClose)});
  // R's Theta takes a season off in a way of its own.
  if (reference.period > 1) return absl::OkStatus();
  const auto theta = FitTheta(reference.values);
  if (!theta.ok()) return theta.status();
  table.Add({StrCat(reference.name, ": Theta, forecasts apart from R's"),
             LargestDifference(Means(theta->model, reference.theta_forecast.size()), reference.theta_forecast), "ratio",
             std::nullopt, AtMost(kClose)});
  return absl::OkStatus();
}

int RunConformance(const std::string& file, const OutputFormat& format) {
  std::ifstream in(file);
  if (!in) return Failed(absl::NotFoundError(StrCat("opening ", file, ": there is no such file, or it can't be read")));
  const auto references = ReadReferences(in);
  if (!references.ok())
    return Failed(absl::Status(references.status().code(), StrCat(file, ": ", StdView(references.status().message()))));
  const auto table = Conform(*references);
  if (!table.ok()) return Failed(table.status());
  return ShowFigures(*table, format.kind(), true, std::cout);
}

}  // namespace

absl::StatusOr<std::vector<Reference>> ReadReferences(std::istream& in) {
  std::vector<Reference> references;
  std::string text;
  for (int number = 1; std::getline(in, text); ++number) {
    std::istringstream line(text);
    std::string word;
    if (!(line >> word)) continue;
    bool understood = true;
    if (word == "series") {
      Reference reference;
      std::string freq;
      understood = static_cast<bool>(line >> reference.name >> freq >> reference.period) && reference.period > 0;
      references.push_back(std::move(reference));
    } else {
      understood = !references.empty() && ReadLine(word, line, references.back());
    }
    if (!understood)
      return absl::InvalidArgumentError(StrCat("line ", number, " can't be understood: ", text.substr(0, 60)));
  }
  if (references.empty()) return absl::InvalidArgumentError("there is no series in it");
  for (const Reference& reference : references) {
    if (reference.values.empty() || reference.ets_forecast.empty() || reference.arima_forecast.empty() ||
        reference.theta_forecast.empty() || reference.ets_aicc == 0 || reference.arima_aicc == 0)
      return absl::InvalidArgumentError(StrCat("series ", reference.name, " lacks values or results"));
  }
  return references;
}

absl::StatusOr<FigureTable> Conform(const std::vector<Reference>& references) {
  FigureTable table;
  for (const Reference& reference : references) {
    for (const auto compare : {ConformEts, ConformArima, ConformSimple})
      if (const absl::Status status = compare(reference, table); !status.ok())
        return absl::Status(status.code(), StrCat(reference.name, ": ", StdView(status.message())));
  }
  return table;
}

void AddConformanceCommand(CLI::App& app, std::function<int()>& chosen) {
  CLI::App* command = app.add_subcommand(
      "conformance", "Our ETS and ARIMA beside what R made of the same series; fails when they are too far apart");
  const auto file = std::make_shared<std::string>();
  const auto format = std::make_shared<OutputFormat>();
  command->add_option("FILE", *file, "Series and R's results")->required();
  command
      ->add_option_function<std::string>(
          "-o,--output", [format](const std::string& name) { format->json = name == "json"; }, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  command->callback([&chosen, file, format] { chosen = [file, format] { return RunConformance(*file, *format); }; });
}

}  // namespace truce::lab
