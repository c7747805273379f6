#include "controller/fleet/validate.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "controller/fleet/forecasts.h"
#include "controller/fleet/validate_models.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "models/signature_limits.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// A hundred times as long is as good as never.
constexpr double kMostSlowdown = 100;
// What a signature may hold beside what models/signature_limits.h says: more than any model makes, and little enough to
// keep for 10,000 applications.
constexpr int kSignatureResources = 16;
constexpr int kSignatureResemblances = 8;
// Names that controllers and drivers give, and what they say of a migration.
constexpr size_t kMostMigrationId = 128;
constexpr size_t kMostDriver = 64;
constexpr size_t kMostEndpoint = 1024;
constexpr size_t kMostWords = 2048;
// Bounds of a severity come from other sums than the severity itself.
constexpr double kSeveritySlack = 1e-6;

// Checks what holds for every field of every message: strings are short, numbers are finite, and readings are not
// negative. Walks by reflection so that a field added to the wire is covered from its first day.
std::optional<Refusal> CheckFields(const Message& message, const MessageLimits& limits, const std::string& path);

// It goes into scripts, metrics and file names. As the agent's configuration has it.
bool IsHostName(const std::string& name) {
  const auto good = [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_' || c == ':';
  };
  return name.size() <= 253 && absl::ascii_isalnum(static_cast<unsigned char>(name.front())) &&
         std::all_of(name.begin(), name.end(), good);
}

std::optional<Refusal> CheckText(const std::string& text, size_t most, const std::string& path) {
  if (text.size() <= most) return std::nullopt;
  return Refusal{"long_string", StrCat(path, " has ", text.size(), " bytes; at most ", most, " are accepted")};
}

// The field, or its element `index` where it is repeated.
double NumberOf(const Message& message, const FieldDescriptor& field, int index) {
  const auto& reflection = *message.GetReflection();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
    return field.is_repeated() ? reflection.GetRepeatedFloat(message, &field, index)
                               : reflection.GetFloat(message, &field);
  }
  return field.is_repeated() ? reflection.GetRepeatedDouble(message, &field, index)
                             : reflection.GetDouble(message, &field);
}

std::optional<Refusal> CheckField(const Message& message, const FieldDescriptor& field, const MessageLimits& limits,
                                  const std::string& path) {
  const auto& reflection = *message.GetReflection();
  const int count = field.is_repeated() ? reflection.FieldSize(message, &field) : 1;
  for (int i = 0; i < count; ++i) {
    std::optional<Refusal> refusal;
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string scratch;
        const std::string& text = field.is_repeated()
                                      ? reflection.GetRepeatedStringReference(message, &field, i, &scratch)
                                      : reflection.GetStringReference(message, &field, &scratch);
        refusal = CheckText(text, limits.string_bytes, StrCat(path, field.name()));
        break;
      }
      case FieldDescriptor::CPPTYPE_FLOAT:
      case FieldDescriptor::CPPTYPE_DOUBLE: {
        const double value = NumberOf(message, field, i);
        if (!std::isfinite(value)) {
          refusal = Refusal{"not_a_number", StrCat(path, field.name(), " is ", value, "; a finite number is needed")};
        } else if (value < 0 && message.GetDescriptor() == v1::Readings::descriptor()) {
          refusal = Refusal{"out_of_range", StrCat(path, field.name(), " is ", value, "; readings are not negative")};
        }
        break;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        const Message& child = field.is_repeated() ? reflection.GetRepeatedMessage(message, &field, i)
                                                   : reflection.GetMessage(message, &field);
        refusal = CheckFields(child, limits, StrCat(path, field.name(), "."));
        break;
      }
      default:
        break;
    }
    if (refusal.has_value()) return refusal;
  }
  return std::nullopt;
}

std::optional<Refusal> CheckFields(const Message& message, const MessageLimits& limits, const std::string& path) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (auto refusal = CheckField(message, *field, limits, path)) return refusal;
  }
  return std::nullopt;
}

std::optional<Refusal> CheckCount(int count, int most, std::string_view what) {
  if (count <= most) return std::nullopt;
  return Refusal{"too_many_entries", StrCat(count, " ", what, "; at most ", most, " are accepted")};
}

std::optional<Refusal> CheckSizes(const v1::Signature& signature) {
  if (signature.model_version().empty()) return Refusal{"missing_field", "model_version is empty"};
  if (signature.embedding().empty()) return Refusal{"missing_field", "embedding is empty"};
  for (const auto& refusal : {CheckText(signature.model_version(), kMostModelName, "model_version"),
                              CheckCount(signature.embedding_size(), kMostEmbedding, "values in embedding"),
                              CheckCount(signature.resources_size(), kSignatureResources, "resources"),
                              CheckCount(signature.kinds_size(), kMostKinds, "kinds"),
                              CheckCount(signature.resembles_size(), kSignatureResemblances, "resembles")}) {
    if (refusal.has_value()) return refusal;
  }
  for (const auto& kind : signature.kinds()) {
    if (auto refusal = CheckText(kind.kind(), kMostName, "kinds.kind")) return refusal;
  }
  for (const auto& one : signature.resembles()) {
    if (auto refusal = CheckText(one.name(), kMostName, "resembles.name")) return refusal;
  }
  return std::nullopt;
}

std::optional<Refusal> CheckSlowdowns(std::initializer_list<double> ratios, std::string_view where) {
  for (const double ratio : ratios) {
    if (ratio < 0) return Refusal{"out_of_range", StrCat(where, " has the slowdown ", ratio, ", which is negative")};
    if (ratio > kMostSlowdown) {
      return Refusal{"out_of_range",
                     StrCat(where, " has the slowdown ", ratio, ", more than the ", kMostSlowdown, " that make sense")};
    }
  }
  return std::nullopt;
}

std::optional<Refusal> CheckShare(double value, std::string_view what) {
  if (value >= 0 && value <= 1) return std::nullopt;
  return Refusal{"out_of_range", StrCat(what, " ", value, " is outside 0-1")};
}

std::optional<Refusal> CheckRanges(const v1::Signature& signature) {
  if (auto refusal = CheckShare(signature.familiarity(), "familiarity")) return refusal;
  for (const auto& effect : signature.resources()) {
    if (auto refusal =
            CheckSlowdowns({effect.hurts_ratio(), effect.suffers_ratio(), effect.usual_ratio()}, "resources"))
      return refusal;
  }
  for (const auto& effect : signature.kinds()) {
    if (auto refusal = CheckSlowdowns({effect.hurts_on_same_cpus_ratio(), effect.hurts_on_own_cpus_ratio(),
                                       effect.suffers_on_same_cpus_ratio(), effect.suffers_on_own_cpus_ratio()},
                                      "kinds")) {
      return refusal;
    }
  }
  for (const auto& one : signature.resembles()) {
    if (auto refusal = CheckShare(one.similarity(), "resembles.similarity")) return refusal;
  }
  return std::nullopt;
}

std::optional<Refusal> CheckSignature(const v1::WorkloadReport& report, const MessageLimits& limits) {
  if (!report.has_signature()) return std::nullopt;
  auto refusal = CheckSizes(report.signature());
  if (!refusal.has_value()) refusal = CheckFields(report.signature(), limits, "");
  if (!refusal.has_value()) refusal = CheckRanges(report.signature());
  if (!refusal.has_value()) return std::nullopt;
  return Refusal{"bad_signature",
                 StrCat("signature of workload \"", report.workload().name(), "\": ", refusal->detail)};
}

double LowBound(const v1::PairScore& pair) {
  return pair.has_severity_low() ? pair.severity_low() : pair.severity();
}
double HighBound(const v1::PairScore& pair) {
  return pair.has_severity_high() ? pair.severity_high() : pair.severity();
}

bool AreBoundsSound(const v1::PairScore& pair) {
  const double low = LowBound(pair);
  const double high = HighBound(pair);
  return std::isfinite(low) && std::isfinite(high) && low >= -kSeveritySlack &&
         low <= pair.severity() + kSeveritySlack && high >= pair.severity() - kSeveritySlack;
}

// A status that is not understood in full is not understood: where a workload runs may hang on it.
std::optional<Refusal> CheckMigration(const v1::MigrationStatus& status) {
  const auto bad = [&](std::string_view why) {
    return Refusal{"bad_migration",
                   StrCat("status of migration \"", status.migration_id().substr(0, kMostMigrationId), "\": ", why)};
  };
  if (status.migration_id().empty()) return bad("it names no migration");
  if (status.role() != v1::MIGRATION_ROLE_SOURCE && status.role() != v1::MIGRATION_ROLE_TARGET) {
    return bad(StrCat("role ", static_cast<int>(status.role()), " is neither source nor target"));
  }
  if (!v1::MigrationStep_IsValid(status.step()) || !v1::MigrationProgress_IsValid(status.progress()) ||
      !v1::MigrationPresence_IsValid(status.presence())) {
    return bad(StrCat("step ", static_cast<int>(status.step()), ", progress ", static_cast<int>(status.progress()),
                      " or presence ", static_cast<int>(status.presence()), " is not known"));
  }
  for (const auto& refusal :
       {CheckText(status.migration_id(), kMostMigrationId, "migration_id"),
        CheckText(status.driver(), kMostDriver, "driver"), CheckText(status.endpoint(), kMostEndpoint, "endpoint"),
        CheckText(status.reason(), kMostWords, "reason"), CheckText(status.workload(), kMostWords, "workload")}) {
    if (refusal.has_value()) return bad(refusal->detail);
  }
  return std::nullopt;
}

using Names = absl::flat_hash_set<std::string_view>;

std::optional<Refusal> CheckPair(const v1::PairScore& pair, const Names& names) {
  const auto describe = [&] { return StrCat("pair ", pair.victim(), " <- ", pair.aggressor()); };
  for (const std::string* name : {&pair.victim(), &pair.aggressor()}) {
    if (!names.contains(*name)) {
      return Refusal{"unknown_workload", StrCat(describe(), ": the report lists no workload \"", *name, "\"")};
    }
  }
  if (pair.victim() == pair.aggressor()) {
    return Refusal{"unknown_workload", StrCat(describe(), ": a workload is not its own aggressor")};
  }
  if (pair.score() < 0 || pair.score() > 100) {
    return Refusal{"out_of_range", StrCat(describe(), ": score ", pair.score(), " is outside 0-100")};
  }
  if (pair.confidence() < 0 || pair.confidence() > 1) {
    return Refusal{"out_of_range", StrCat(describe(), ": confidence ", pair.confidence(), " is outside 0-1")};
  }
  if (pair.severity() < 0) {
    return Refusal{"out_of_range", StrCat(describe(), ": severity ", pair.severity(), " is negative")};
  }
  return std::nullopt;
}

}  // namespace

LeftOut LeaveOutUnsound(const MessageLimits& limits, v1::Report* report) {
  LeftOut left_out;
  const auto leave_out = [&left_out](Refusal refusal) {
    ++left_out.by_reason[refusal.reason];
    if (!left_out.first.has_value()) left_out.first = std::move(refusal);
  };
  for (auto& workload : *report->mutable_workloads()) {
    if (auto refusal = CheckSignature(workload, limits)) {
      workload.clear_signature();
      leave_out(*std::move(refusal));
    }
    if (auto problem = ProblemOfForecasts(workload)) {
      workload.clear_forecasts();
      workload.clear_bursts();
      leave_out({"bad_forecast", StrCat("forecasts of workload \"", workload.workload().name(), "\": ", *problem)});
    }
  }
  for (auto& pair : *report->mutable_pairs()) {
    if (AreBoundsSound(pair)) continue;
    ++left_out.by_reason["bad_bounds"];
    if (!left_out.first.has_value()) {
      left_out.first = Refusal{"bad_bounds", StrCat("pair ", pair.victim(), " <- ", pair.aggressor(), ": severity ",
                                                    pair.severity(), " with bounds ", LowBound(pair), " and ",
                                                    HighBound(pair), "; expected 0 <= low <= severity <= high")};
    }
    pair.clear_severity_low();
    pair.clear_severity_high();
  }
  LeaveOutErrors(report->mutable_forecast_errors(), &left_out);
  LeftOut migrations = LeaveOutUnsound(report->mutable_migrations());
  for (const auto& [reason, count] : migrations.by_reason) left_out.by_reason[reason] += count;
  if (!left_out.first.has_value()) left_out.first = std::move(migrations.first);
  return left_out;
}

LeftOut LeaveOutUnsound(google::protobuf::RepeatedPtrField<v1::MigrationStatus>* migrations) {
  LeftOut left_out;
  const int count = migrations->size();
  for (int i = count - 1; i >= 0; --i) {
    std::optional<Refusal> refusal = CheckMigration(migrations->Get(i));
    if (i >= kMostMigrations) {
      refusal = Refusal{"bad_migration", StrCat(count, " migrations; at most ", kMostMigrations, " are accepted")};
    }
    if (!refusal.has_value()) continue;
    migrations->DeleteSubrange(i, 1);
    ++left_out.by_reason[refusal->reason];
    left_out.first = std::move(refusal);
  }
  return left_out;
}

std::optional<Refusal> CheckHello(const v1::Hello& hello, const MessageLimits& limits) {
  if (hello.inventory().host().empty()) return Refusal{"missing_field", "inventory.host is empty"};
  if (!IsHostName(hello.inventory().host())) {
    return Refusal{
        "out_of_range",
        "inventory.host is no name of at most 253 letters, digits, dots, hyphens, underscores and colons that "
        "begins with a letter or digit"};
  }
  if (hello.inventory().cpus().empty()) return Refusal{"missing_field", "inventory.cpus is empty"};
  if (auto refusal = CheckCount(hello.held_size(), limits.workloads_per_host, "held actions")) return refusal;
  if (auto refusal = CheckModels(hello)) return refusal;
  return CheckFields(hello, limits, "hello.");
}

std::optional<Refusal> CheckModelMessage(const v1::ConnectRequest& request, const MessageLimits& limits) {
  const bool asks = request.has_model_request();
  const std::string& name = asks ? request.model_request().sha256() : request.model_answer().sha256();
  // What an agent refuses may have had no proper name.
  if (asks && !IsModelName(name)) return Refusal{"out_of_range", "model_request.sha256 is no SHA-256 in hex"};
  return CheckFields(request, limits, "");
}

std::optional<Refusal> CheckReport(const v1::Report& report, const MessageLimits& limits) {
  if (report.workloads_size() > limits.workloads_per_host) {
    return Refusal{"too_many_workloads",
                   StrCat(report.workloads_size(), " workloads; at most ", limits.workloads_per_host, " are accepted")};
  }
  if (auto refusal = CheckCount(report.pairs_size(), limits.workloads_per_host, "pairs")) return refusal;
  if (auto refusal = CheckCount(report.held_size(), limits.workloads_per_host, "held actions")) return refusal;
  if (auto refusal = CheckCount(report.events_size(), limits.workloads_per_host, "events")) return refusal;
  if (auto refusal = CheckCount(report.devices_size(), kMostDevices, "disks")) return refusal;
  if (auto refusal = CheckFields(report, limits, "report.")) return refusal;
  Names names;
  names.reserve(static_cast<size_t>(report.workloads_size()));
  for (const auto& workload : report.workloads()) {
    const std::string& name = workload.workload().name();
    if (name.empty()) return Refusal{"missing_field", "a workload has no name"};
    if (!names.insert(name).second) {
      return Refusal{"duplicate_workload", StrCat("workload \"", name, "\" is listed twice")};
    }
  }
  std::set<std::pair<std::string_view, std::string_view>> pairs;
  for (const auto& pair : report.pairs()) {
    if (auto refusal = CheckPair(pair, names)) return refusal;
    if (!pairs.emplace(pair.victim(), pair.aggressor()).second) {
      return Refusal{"duplicate_pair",
                     StrCat("the pair ", pair.victim(), " <- ", pair.aggressor(), " is listed twice")};
    }
  }
  return std::nullopt;
}

std::optional<Refusal> CheckReceipts(const v1::ReceiptBatch& batch, const MessageLimits& limits) {
  if (auto refusal = CheckCount(batch.receipts_size(), limits.workloads_per_host, "receipts")) return refusal;
  for (const auto& receipt : batch.receipts()) {
    if (receipt.action().lease_id().empty()) return Refusal{"missing_field", "a receipt names no lease"};
  }
  return CheckFields(batch, limits, "receipts.");
}

std::optional<Refusal> CheckResult(const v1::DesiredSetResult& result, const MessageLimits& limits) {
  if (auto refusal = CheckCount(result.results_size(), limits.workloads_per_host, "results")) return refusal;
  return CheckFields(result, limits, "desired_set_result.");
}

}  // namespace truce::controller
