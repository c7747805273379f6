// trucectl explain VICTIM [AGGRESSOR]: why a workload is slow, first in words, then in numbers.
#include "controller/cli/rows.h"
#include "controller/cli/view.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

// How many decisions and receipts are news; `trucectl get` has the rest.
constexpr int kRecent = 5;

// Only the newest (last) `kRecent` of a list.
template <typename T>
google::protobuf::RepeatedPtrField<T> Recent(const google::protobuf::RepeatedPtrField<T>& all) {
  const auto from = all.size() > kRecent ? all.end() - kRecent : all.begin();
  return {from, all.end()};
}

// What was observed against the baseline, in the baseline's standard deviations: "+4.2".
std::string Deviations(const v1::Evidence& evidence) {
  if (evidence.baseline_stddev() <= 0) return "-";
  const double sigmas = (evidence.observed() - evidence.baseline_mean()) / evidence.baseline_stddev();
  return StrCat(sigmas < 0 ? "" : "+", FormatNumber(sigmas, 1));
}

Table EvidenceTable(const google::protobuf::RepeatedPtrField<v1::PairStatus>& pairs, absl::Time now) {
  Table table({{"AGGRESSOR", Align::kLeft, false, true},
               {"SCORE", Align::kRight},
               {"SEVERITY", Align::kRight},
               {"LOW", Align::kRight, true},
               {"HIGH", Align::kRight, true},
               {"CONFIDENCE", Align::kRight},
               {"RESOURCE"},
               {"SIGNAL"},
               {"NOW", Align::kRight},
               {"BASELINE", Align::kRight},
               {"SIGMAS", Align::kRight},
               {"OUTLIERS", Align::kRight},
               {"CORRELATION", Align::kRight},
               {"ITS-USAGE", Align::kRight},
               {"RESPONSE"},
               {"SOURCE", Align::kLeft, true},
               {"USAGE-READING", Align::kLeft, true},
               {"ATTRIBUTED", Align::kRight, true},
               {"SUMMARY", Align::kLeft, true},
               {"AGE", Align::kRight}});
  for (const v1::PairStatus& pair : pairs) {
    const v1::PairScore& score = pair.score();
    const v1::Evidence& evidence = score.evidence();
    const bool seen = score.has_evidence();
    table.AddRow({score.aggressor(),
                  FormatNumber(score.score(), 0),
                  FormatRatio(score.severity()),
                  score.has_severity_low() ? FormatRatio(score.severity_low()) : "-",
                  score.has_severity_high() ? FormatRatio(score.severity_high()) : "-",
                  FormatNumber(score.confidence(), 2),
                  EnumCell(score.resource()),
                  evidence.signal(),
                  ReadingCell(evidence.signal(), seen, evidence.observed()),
                  ReadingCell(evidence.signal(), seen, evidence.baseline_mean()),
                  seen ? Deviations(evidence) : "-",
                  seen ? StrCat(evidence.outlier_count()) : "-",
                  seen ? FormatNumber(evidence.correlation(), 2) : "-",
                  ReadingCell(evidence.usage_reading(), seen, evidence.aggressor_usage()),
                  pair.response(),
                  EnumCell(score.source()),
                  evidence.usage_reading(),
                  seen ? FormatRatio(evidence.attributed_ratio()) : "-",
                  evidence.summary(),
                  FormatAge(now, score.scored_at(), score.has_scored_at())});
  }
  return table;
}

absl::StatusOr<View> Fetch(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  v1::ExplainRequest request;
  request.set_host(session.options().host);
  request.set_victim(session.options().name);
  request.set_aggressor(session.options().aggressor);
  TRUCE_ASSIGN_OR_RETURN(v1::ExplainResponse response, controller->Explain(request));
  View view;
  Section words;
  for (const std::string& sentence : response.sentences()) words.lines.push_back(sentence);
  view.sections.push_back(std::move(words));
  for (const v1::PairStatus& pair : response.pairs()) view.names.push_back(pair.score().aggressor());
  const absl::Time now = session.Now();
  if (!response.pairs().empty()) {
    view.sections.push_back({.title = "Evidence", .table = EvidenceTable(response.pairs(), now)});
  }
  if (!response.decisions().empty()) {
    view.sections.push_back({.title = "Decided lately", .table = DecisionTable(Recent(response.decisions()), now)});
  }
  if (!response.receipts().empty()) {
    view.sections.push_back(
        {.title = "Actions that ended lately", .table = ReceiptTable(Recent(response.receipts()), now)});
  }
  view.message = std::make_shared<v1::ExplainResponse>(std::move(response));
  return view;
}

}  // namespace

absl::Status Explain(Session& session) {
  // A workload whose name is this word has a path, or is asked for alone.
  if (session.options().name == "placement" && !session.options().aggressor.empty()) return ExplainPlacement(session);
  if (session.options().name == session.options().aggressor) {
    return UsageError(StrCat("VICTIM and AGGRESSOR are both '", session.options().name,
                             "'; give two workloads, or VICTIM alone for all its suspects"));
  }
  return Show(session, Fetch);
}

}  // namespace truce::cli
