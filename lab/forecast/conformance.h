// The command of truce-lab that compares our ETS and ARIMA with what R makes of the same series.
#pragma once

#include <functional>
#include <istream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "models/forecast/arima_model.h"
#include "models/forecast/ets_form.h"
#include "src/base/figures.h"

namespace CLI {
class App;
}

namespace truce::lab {

// One series and what R's forecast package said of it.
struct Reference {
  std::string name;
  size_t period = 1;
  std::vector<double> values;
  EtsForm ets;
  double ets_aicc = 0;
  std::vector<double> ets_forecast;
  ArimaOrder arima;
  double arima_aicc = 0;
  std::vector<double> arima_forecast;
  double ses_forecast = 0;
  std::vector<double> theta_forecast;
};

// Reads lines of `series NAME freq M n N`, `y ...`, `ets FORM aicc X ...`, `ets_fc ...`, `arima p,d,q[,P,D,Q,m] aicc X
// ... coef NAME VALUE ...`, `arima_fc ...`, `ses alpha X fc X` and `theta_fc ...`. InvalidArgument names the line that
// can't be understood, or the series that lacks something.
absl::StatusOr<std::vector<Reference>> ReadReferences(std::istream& in);

// For each series: AICc and forecasts of R's own form and order, fitted by us, must be within 1 % of R's; the AICc of
// our own choice at most 2 above R's; smoothing's and (without a season) Theta's forecasts within 1 %.
absl::StatusOr<FigureTable> Conform(const std::vector<Reference>& references);

// Adds `conformance` to `app`; when it is given on the command line, it puts what is to be done, which returns the exit
// code, into `chosen`. Both outlive the parsing.
void AddConformanceCommand(CLI::App& app, std::function<int()>& chosen);

}  // namespace truce::lab
