// trucectl get models
#include "controller/cli/rows.h"
#include "controller/cli/view.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

constexpr size_t kShortSha = 12;

Cell RoleCell(v1::ModelRole role) {
  const std::string word = EnumCell(role);
  switch (role) {
    case v1::MODEL_ROLE_CHAMPION:
      return {word, Tone::kGood};
    case v1::MODEL_ROLE_CHALLENGER:
      return {word, Tone::kWarning};
    case v1::MODEL_ROLE_ROLLED_BACK:
      return {word, Tone::kBad};
    default:
      return {word, Tone::kFaint};
  }
}

absl::StatusOr<View> Fetch(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  TRUCE_ASSIGN_OR_RETURN(v1::ListModelsResponse response, controller->ListModels({}));
  Table table({{"NAME"},
               {"KIND"},
               {"ROLE"},
               {"HOSTS", Align::kRight},
               {"LOSS", Align::kRight},
               {"FORECASTS", Align::kRight, true},
               {"VERSION", Align::kLeft, true},
               {"WHY", Align::kLeft, false, true},
               {"AGE", Align::kRight}});
  std::vector<std::string> names;
  for (const v1::ModelStatus& model : response.models()) {
    const std::string name = model.sha256().empty() ? "own" : model.sha256().substr(0, kShortSha);
    if (!model.sha256().empty()) names.push_back(name);
    table.AddRow({name, EnumCell(model.kind()), RoleCell(model.role()), StrCat(model.host_count()),
                  model.has_loss_ratio() ? FormatNumber(model.loss_ratio(), 3) : "-",
                  FormatNumber(model.forecast_count(), 0), model.version(), model.why(),
                  FormatAge(session.Now(), model.since(), model.has_since())});
  }
  return TableView(std::move(response), std::move(table), std::move(names), "no models");
}

}  // namespace

absl::Status GetModels(Session& session) {
  return Show(session, Fetch);
}

}  // namespace truce::cli
