#include "controller/fleet/validate_models.h"

#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr size_t kMostApplication = 2048;
constexpr size_t kShownApplication = 128;
// Of one report's forecasts: how many, how far ahead, what their losses may add up to.
constexpr uint64_t kMostForecasts = 10'000'000;
constexpr int64_t kFarthestSeconds = 7 * 86'400;
constexpr double kMostLossSum = 1e12;
// Sums are added up in another order than their squares.
constexpr double kSumSlack = 1e-6;
// Most kinds of models that an agent names.
constexpr int kMostModels = 16;
constexpr size_t kMostModelVersion = 256;

std::optional<Refusal> CheckErrors(const v1::ForecastErrors& errors) {
  const auto bad = [&](std::string_view why) {
    return Refusal{"bad_errors", StrCat("errors of forecasts for application \"",
                                        errors.application().substr(0, kShownApplication), "\": ", why)};
  };
  if (errors.application().size() > kMostApplication) return bad("the name is too long");
  if (!errors.model_sha256().empty() && !IsModelName(errors.model_sha256())) {
    return bad("model_sha256 is no SHA-256 in hex");
  }
  if (!v1::Resource_IsValid(errors.resource()) || errors.resource() == v1::RESOURCE_UNSPECIFIED) {
    return bad(StrCat("resource ", static_cast<int>(errors.resource()), " is not known"));
  }
  if (errors.ahead().seconds() < 0 || errors.ahead().seconds() > kFarthestSeconds || errors.ahead().nanos() < 0) {
    return bad(StrCat("they looked ", errors.ahead().seconds(), " s ahead"));
  }
  if (errors.count() == 0 || errors.count() > kMostForecasts || errors.above_p95_count() > errors.count()) {
    return bad(StrCat("the counts ", errors.count(), " and ", errors.above_p95_count(), " can't be"));
  }
  const auto count = static_cast<double>(errors.count());
  for (const double sum : {errors.loss_sum(), errors.naive_loss_sum(), errors.squared_gain_sum()}) {
    if (!(sum >= 0 && sum <= kMostLossSum)) return bad(StrCat("a sum of ", sum, " can't be"));
  }
  // The square of a sum is at most the count times the sum of the squares.
  const double gain = errors.naive_loss_sum() - errors.loss_sum();
  if (gain * gain > count * errors.squared_gain_sum() * (1 + kSumSlack) + kSumSlack) {
    return bad(StrCat("a squared_gain_sum of ", errors.squared_gain_sum(), " is too small for a gain of ", gain));
  }
  return std::nullopt;
}

}  // namespace

bool IsModelName(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

void LeaveOutErrors(google::protobuf::RepeatedPtrField<v1::ForecastErrors>* errors, LeftOut* left_out) {
  auto& all = *errors;
  const auto leave_out = [&](Refusal refusal) {
    ++left_out->by_reason[refusal.reason];
    if (!left_out->first.has_value()) left_out->first = std::move(refusal);
  };
  int kept = 0;
  for (int i = 0; i < all.size(); ++i) {
    if (i >= kMostForecastErrors) {
      leave_out({"bad_errors", StrCat(all.size(), " sums of errors; at most ", kMostForecastErrors, " are accepted")});
      break;
    }
    if (auto refusal = CheckErrors(all[i])) {
      leave_out(*std::move(refusal));
    } else {
      all.SwapElements(kept++, i);
    }
  }
  all.DeleteSubrange(kept, all.size() - kept);
}

std::optional<Refusal> CheckModels(const v1::Hello& hello) {
  if (hello.models_size() > kMostModels) {
    return Refusal{"too_many_entries", StrCat(hello.models_size(), " models; at most ", kMostModels, " are accepted")};
  }
  for (const auto& model : hello.models()) {
    if (!model.sha256().empty() && !IsModelName(model.sha256())) {
      return Refusal{"out_of_range", "models.sha256 is no SHA-256 in hex"};
    }
    if (model.version().size() > kMostModelVersion) {
      return Refusal{"long_string", StrCat("models.version has ", model.version().size(), " bytes; at most ",
                                           kMostModelVersion, " are accepted")};
    }
  }
  return std::nullopt;
}

}  // namespace truce::controller
