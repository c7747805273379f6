// What truce-lab protect measured, one bout after another, kept in a file so that a run can be stopped and gone on
// with.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "src/base/figures.h"

namespace truce::lab {

// What is done about an aggressor: nothing, Truce by what `score.from` in the agent's configuration may say, or what
// others do.
enum class Policy { kNothing, kEvidence, kModel, kBoth, kLeastWeight, kDropAndRegain };
// "nothing", "evidence", "model", "both", "least_weight", "drop_and_regain".
std::string_view PolicyName(Policy policy);
const std::vector<Policy>& Policies();
bool IsByTruce(Policy policy);

// One victim met one aggressor under one policy. Paces are seconds per operation; rates are operations per second.
// `alone_pace` was measured by turns with `pace`, so that both are of the same machine's speed.
struct Bout {
  int run = 0;
  Policy policy = Policy::kNothing;
  std::string victim;
  std::string aggressor;
  double alone_pace = 0;
  double pace = 0;
  double aggressor_rate = 0;
  // The aggressor's rate in operations per time that the victim's take alone: fit to be compared between bouts, between
  // which the machine may become faster or slower.
  double relative_rate() const { return aggressor_rate * alone_pace; }
  // Until the victim was within 1.3 x alone and stayed there; negative: never.
  double seconds_to_protect = -1;
  int actions = 0;
};

// Makes the file when it is not there or empty, so that bouts can be added to it. `setting` is what all bouts of a file
// have in common: the machine, the version of Truce, the model.
absl::Status BeginBouts(const std::string& file, const std::string& setting);
// Adds one to the file, which was begun.
absl::Status AppendBout(const std::string& file, const Bout& bout);
// Those of a file; none when it is not there or empty. DataLoss names the line that makes no sense, FailedPrecondition
// a file of another setting.
absl::StatusOr<std::vector<Bout>> ReadBouts(const std::string& file, const std::string& setting);

// One line per pair and a summary per policy, medians over runs.
void WriteBouts(const std::vector<Bout>& bouts, std::ostream& out);
FigureTable BoutFigures(const std::vector<Bout>& bouts);

}  // namespace truce::lab
