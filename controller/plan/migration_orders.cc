// How phases and answers are read, and what hosts are ordered: the part of migration_steps.h that changes nothing.
#include "controller/plan/migration_steps.h"

namespace truce::controller {
namespace {

bool IsOver(v1::MigrationProgress progress) {
  return progress == v1::MIGRATION_PROGRESS_DONE || progress == v1::MIGRATION_PROGRESS_REFUSED ||
         progress == v1::MIGRATION_PROGRESS_FAILED;
}

// Also while it removes what is left: that it was told when it had said so.
bool IsStoppedOnSource(const v1::Migration& migration) {
  if (migration.source().step() == v1::MIGRATION_STEP_FINISH) return true;
  const v1::MigrationPresence presence = PresenceIn(migration.source());
  return presence == v1::MIGRATION_PRESENCE_STOPPED || presence == v1::MIGRATION_PRESENCE_ABSENT ||
         (migration.move_done() && presence != v1::MIGRATION_PRESENCE_RUNNING);
}

std::optional<v1::MigrationStep> SourceStep(const MigrationEntry& entry) {
  const v1::Migration& migration = entry.migration;
  switch (migration.phase()) {
    case v1::MIGRATION_PHASE_MOVING:
      return v1::MIGRATION_STEP_MOVE;
    case v1::MIGRATION_PHASE_VERIFYING:
      return v1::MIGRATION_STEP_VERIFY;
    case v1::MIGRATION_PHASE_FINISHING:
      return entry.second_half && IsStoppedOnSource(migration) ? v1::MIGRATION_STEP_FINISH : v1::MIGRATION_STEP_VERIFY;
    case v1::MIGRATION_PHASE_ROLLING_BACK:
      if (!migration.move_ordered()) return std::nullopt;
      return entry.second_half ? v1::MIGRATION_STEP_ROLL_BACK : v1::MIGRATION_STEP_VERIFY;
    default:
      return std::nullopt;
  }
}

std::optional<v1::MigrationStep> TargetStep(const MigrationEntry& entry) {
  switch (entry.migration.phase()) {
    case v1::MIGRATION_PHASE_RESERVING:
    case v1::MIGRATION_PHASE_MOVING:
      return v1::MIGRATION_STEP_RESERVE;
    case v1::MIGRATION_PHASE_VERIFYING:
      if (entry.second_half || entry.migration.target().step() >= v1::MIGRATION_STEP_VERIFY) {
        return v1::MIGRATION_STEP_VERIFY;
      }
      // Renewed, so that nothing is dropped while the source may still send.
      return entry.migration.has_target() ? std::optional(v1::MIGRATION_STEP_RESERVE) : std::nullopt;
    case v1::MIGRATION_PHASE_FINISHING:
      return v1::MIGRATION_STEP_FINISH;
    case v1::MIGRATION_PHASE_ROLLING_BACK:
      return v1::MIGRATION_STEP_ROLL_BACK;
    default:
      return std::nullopt;
  }
}

}  // namespace

bool IsUnderWay(v1::MigrationPhase phase) {
  return phase >= v1::MIGRATION_PHASE_RESERVING && phase <= v1::MIGRATION_PHASE_ROLLING_BACK;
}

bool HasEnded(v1::MigrationPhase phase) {
  return phase >= v1::MIGRATION_PHASE_MOVED && phase <= v1::MIGRATION_PHASE_WITHDRAWN;
}

bool ChoosesTarget(std::string_view driver) {
  return driver == "kubernetes";
}

bool NeedsEndpoint(std::string_view driver) {
  return !ChoosesTarget(driver) && driver != "command";
}

bool IsOver(const v1::MigrationStatus& status, v1::MigrationStep step) {
  return status.step() == step && IsOver(status.progress());
}

v1::MigrationPresence PresenceIn(const v1::MigrationStatus& status) {
  const bool looked = status.step() >= v1::MIGRATION_STEP_VERIFY && IsOver(status.progress());
  return looked ? status.presence() : v1::MIGRATION_PRESENCE_UNSPECIFIED;
}

std::optional<v1::MigrationStep> StepOf(const MigrationEntry& entry, v1::MigrationRole role) {
  const bool is_source = role == v1::MIGRATION_ROLE_SOURCE;
  if (!IsUnderWay(entry.migration.phase()) || (!is_source && ChoosesTarget(entry.migration.driver()))) {
    return std::nullopt;
  }
  if (entry.recovering) {
    const bool spoke = is_source ? entry.source_spoke_of_it : entry.target_spoke_of_it;
    const v1::MigrationStatus& status = is_source ? entry.migration.source() : entry.migration.target();
    return spoke && status.step() != v1::MIGRATION_STEP_UNSPECIFIED ? std::optional(status.step()) : std::nullopt;
  }
  return is_source ? SourceStep(entry) : TargetStep(entry);
}

std::optional<std::pair<v1::MigrationRole, v1::MigrationStep>> OwedAfter(const v1::Migration& ended) {
  if (ended.phase() == v1::MIGRATION_PHASE_MOVED && !ended.source_host().empty()) {
    if (IsStoppedOnSource(ended) && !IsOver(ended.source(), v1::MIGRATION_STEP_FINISH)) {
      return std::pair(v1::MIGRATION_ROLE_SOURCE, v1::MIGRATION_STEP_FINISH);
    }
  }
  if (ended.phase() == v1::MIGRATION_PHASE_ROLLED_BACK && !ended.target_host().empty() &&
      PresenceIn(ended.target()) != v1::MIGRATION_PRESENCE_RUNNING &&
      !IsOver(ended.target(), v1::MIGRATION_STEP_ROLL_BACK)) {
    return std::pair(v1::MIGRATION_ROLE_TARGET, v1::MIGRATION_STEP_ROLL_BACK);
  }
  return std::nullopt;
}

}  // namespace truce::controller
