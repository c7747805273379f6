#include "agent/act/migrate/move_guard.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "src/base/enum_words.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::agent {
namespace {

// Larger than any order that a controller makes; what is larger is nonsense and would go to the journal.
constexpr size_t kLargestOrder = 16 * 1024;
constexpr size_t kLongestId = 128;
// Migrations that nobody brought to an end: more than these want a look before another one begins.
constexpr int kMostLeftOver = 16;

// It becomes a part of file names.
bool IsId(const std::string& id) {
  return !id.empty() && id.size() <= kLongestId && id[0] != '.' && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.' || c == ':';
  });
}

std::optional<std::string> RefusalOfHost(const v1::MigrationOrder& order, const MoveFacts& facts) {
  if (auto bad = BadOrder(order)) return bad;
  if (facts.hold) return "the host is on hold; `trucectl resume` ends that";
  if (order.mode() != v1::MODE_ENFORCE) return "a migration is carried out in mode enforce only";
  if (facts.mode_ceiling < v1::MODE_ENFORCE) {
    return StrCat("this host's own configuration allows no more than ", EnumWord(facts.mode_ceiling),
                  " (mode.ceiling), and so nothing leaves it or comes to it");
  }
  if (order.workload_class() == v1::WORKLOAD_CLASS_CRITICAL) {
    return StrCat(order.workload(), " is critical, and a critical workload is never moved");
  }
  const auto& configured = facts.configured;
  if (configured.empty()) return "no driver is configured on this host (migration.drivers)";
  if (std::find(configured.begin(), configured.end(), order.driver()) == configured.end()) {
    return StrCat("the driver ", order.driver(), " is not configured on this host; migration.drivers has ",
                  absl::StrJoin(configured, ", "));
  }
  if (!facts.ready.ok()) return std::string(StdView(facts.ready.message()));
  if (!facts.other_migration.empty()) {
    return StrCat("the migration ", facts.other_migration, " of the same workload is not over here");
  }
  if (facts.under_way >= facts.most_at_a_time) {
    return StrCat("this host takes part in at most ", facts.most_at_a_time,
                  " migrations at a time (migration.most_at_a_time)");
  }
  if (facts.left_over >= kMostLeftOver) {
    return StrCat(facts.left_over, " migrations that nobody brought to an end wait for an operator on this host");
  }
  return std::nullopt;
}

}  // namespace

absl::Duration TimeToLive(const v1::MigrationOrder& order) {
  const auto& wire = order.time_to_live();
  if (!order.has_time_to_live() || wire.seconds() < 0 || wire.nanos() < 0 || wire.nanos() > 999'999'999) {
    return absl::ZeroDuration();
  }
  return std::min(kLongestOrder, absl::Seconds(wire.seconds()) + absl::Nanoseconds(wire.nanos()));
}

std::optional<std::string> BadOrder(const v1::MigrationOrder& order) {
  if (!IsId(order.migration_id())) {
    return StrCat("a migration's id is 1 to ", kLongestId, " letters, digits and -_.:");
  }
  if (order.workload().empty()) return "the order names no workload";
  if (order.ByteSizeLong() > kLargestOrder) return "the order is larger than any sensible one";
  if (TimeToLive(order) <= absl::ZeroDuration()) return "the order has no time to live";
  return std::nullopt;
}

std::optional<std::string> RefusalOfWorkload(const v1::MigrationOrder& order,
                                             const std::optional<ActionTarget>& target) {
  if (!target) return StrCat("no workload ", order.workload(), " lives on this host");
  if (order.workload_instance() != target->instance) {
    return StrCat(target->name, " is instance ", target->instance, " here and not ", order.workload_instance(),
                  ": it was removed and made again");
  }
  if (target->workload_class == v1::WORKLOAD_CLASS_CRITICAL) {
    return StrCat(target->name, " is critical, and a critical workload is never moved");
  }
  if (target->workload_class == v1::WORKLOAD_CLASS_UNSPECIFIED) {
    return StrCat("the class of ", target->name, " is not known, so it is not moved");
  }
  if (target->mode != v1::MODE_ENFORCE) {
    return StrCat(target->name, " is in mode ", EnumWord(target->mode),
                  "; `trucectl set mode` changes that, as far as the ceiling in the host's own configuration allows");
  }
  const auto& levers = target->allowed_levers;
  if (std::find(levers.begin(), levers.end(), v1::LEVER_MIGRATE) == levers.end()) {
    return StrCat("migrate is not in the list of levers allowed on ", target->name,
                  " (levers of its rule in discovery.rules)");
  }
  return std::nullopt;
}

std::optional<std::string> RefusalToSend(const v1::MigrationOrder& order, const MoveFacts& facts,
                                         const std::optional<ActionTarget>& target) {
  if (auto refusal = RefusalOfHost(order, facts)) return refusal;
  if (auto refusal = RefusalOfWorkload(order, target)) return refusal;
  if (target->held_levers.empty()) return std::nullopt;
  return StrCat(
      "actions are held on ", target->name, " (",
      absl::StrJoin(target->held_levers, ", ", [](std::string* out, v1::Lever lever) { *out += EnumWord(lever); }),
      "), and what they changed would travel with it or never be put back; they must be released first");
}

MoveRoom ReadRoom(const std::string& procfs) {
  MoveRoom room;
  const std::string text = host::ReadFile(procfs + "/meminfo").value_or(std::string());
  host::ForEachLine(text, [&room](std::string_view line) {
    const std::string_view key = host::NextWord(&line);
    const auto kibibytes = host::FirstNumber(host::NextWord(&line));
    if (!kibibytes || *kibibytes < 0) return;
    if (key == "MemTotal:") room.total_bytes = static_cast<uint64_t>(*kibibytes) * 1024;
    if (key == "MemAvailable:") room.available_bytes = static_cast<uint64_t>(*kibibytes) * 1024;
  });
  return room;
}

std::optional<std::string> RefusalToReceive(const v1::MigrationOrder& order, const MoveFacts& facts,
                                            const MoveRoom& room) {
  if (auto refusal = RefusalOfHost(order, facts)) return refusal;
  if (order.memory_bytes() == 0) return "the order does not say how much memory it needs";
  if (!room.total_bytes || !room.available_bytes) {
    return "this host does not say how much memory it has free (/proc/meminfo)";
  }
  const double free = static_cast<double>(*room.available_bytes) - static_cast<double>(room.reserved_bytes) -
                      static_cast<double>(order.memory_bytes());
  const double least = room.least_free_ratio * static_cast<double>(*room.total_bytes);
  if (free >= least) return std::nullopt;
  constexpr double kMebibyte = 1 << 20;
  return absl::StrFormat(
      "it needs %.0f MiB, and of the %.0f MiB that are free here%s at least %.0f MiB must stay so "
      "(migration.least_free_memory_ratio)",
      static_cast<double>(order.memory_bytes()) / kMebibyte, static_cast<double>(*room.available_bytes) / kMebibyte,
      room.reserved_bytes == 0 ? ""
                               : absl::StrFormat(", %.0f MiB of them promised to others,",
                                                 static_cast<double>(room.reserved_bytes) / kMebibyte),
      least / kMebibyte);
}

}  // namespace truce::agent
