#include "controller/learn/rollout_words.h"

#include <cmath>

#include "absl/strings/str_format.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr size_t kShortSha = 12;

}  // namespace

std::string ShortSha(std::string_view sha256) {
  return std::string(sha256.substr(0, kShortSha));
}

std::string SayModel(const v1::RolloutModel& model) {
  if (model.sha256().empty()) return "the demand model that each agent came with";
  return StrCat("demand model ", ShortSha(model.sha256()), model.version().empty() ? "" : " (", model.version(),
                model.version().empty() ? "" : ")");
}

std::string SayDifference(const LossDifference& difference) {
  return absl::StrFormat(
      "its loss is %.3f of the last value's, against %.3f without it: %.3f %s (surely between %+.3f and %+.3f)",
      difference.trial, difference.expected, std::abs(difference.difference),
      difference.difference > 0 ? "higher" : "lower", difference.low(), difference.high());
}

}  // namespace truce::controller
