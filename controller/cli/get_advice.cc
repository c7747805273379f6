// trucectl get advice: which workloads would be better elsewhere.
#include "controller/cli/place.h"
#include "controller/cli/view.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

absl::StatusOr<View> Fetch(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  TRUCE_ASSIGN_OR_RETURN(v1::WatchAdviceResponse response, controller->NewestAdvice(session.options().anew));
  View view;
  if (!response.has_advice()) {
    view.message = std::make_shared<v1::WatchAdviceResponse>(std::move(response));
    view.nothing =
        "no advice yet: the controller gives some every placement.advice_interval (unless that is 0s); --anew has one "
        "thought out now";
    return view;
  }
  const v1::Advice& advice = response.advice();
  Table table({{"WORKLOAD", Align::kLeft, false, true}, {"APPLICATION"}, {"FROM"}, {"TO"}});
  for (const v1::AdvisedMove& move : advice.moves()) {
    table.AddRow({move.workload(), move.application(), move.source_host(), move.target_host()});
    view.names.push_back(move.workload());
  }
  const std::string age = FormatAge(session.Now(), advice.made_at(), advice.has_made_at());
  std::vector<std::string> lines = {
      !advice.failure().empty() ? StrCat("No advice could be thought out, ", age, " ago: ", advice.failure(), ".")
      : advice.moves().empty()
          ? StrCat("All is well where it is, as of ", age, " ago.")
          : StrCat(advice.moves_size(), advice.moves_size() == 1 ? " move" : " moves", " in this order, as of ", age,
                   " ago; each step has room. Nothing is moved by itself: trucectl migrate does.")};
  if (!advice.incomplete().empty()) lines.push_back(StrCat("Left out of account: ", advice.incomplete(), "."));
  view.sections.push_back({.lines = std::move(lines)});
  if (!advice.moves().empty()) {
    view.sections.push_back({.title = "Moves", .table = std::move(table)});
    view.sections.push_back({.title = "The fleet", .table = FiguresTable(advice.before(), advice.after())});
  }
  view.message = std::make_shared<v1::WatchAdviceResponse>(std::move(response));
  return view;
}

}  // namespace

absl::Status GetAdvice(Session& session) {
  return Show(session, Fetch);
}

}  // namespace truce::cli
