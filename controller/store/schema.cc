#include "controller/store/schema.h"

#include <array>
#include <vector>

#include "src/base/soci_without_boost.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

// What workloads used, in rows of an hour; bodies are the wire's message in base 64, since JSON has no NaN.
std::vector<const char*> DemandBlocks() {
  return {
      "CREATE TABLE demand_blocks (host TEXT NOT NULL, workload TEXT NOT NULL, at BIGINT NOT NULL, "
      "body TEXT NOT NULL, PRIMARY KEY (host, workload, at))",
      "CREATE INDEX demand_blocks_by_time ON demand_blocks (at)"};
}

// Statements that lead from version N to N + 1, in plain SQL that SQLite and PostgreSQL both take. Ids are given out by
// the controller; times are microseconds since 1970; bodies are the wire's messages as JSON.
const std::vector<std::vector<const char*>>& Steps() {
  static const auto* const kSteps = new std::vector<std::vector<const char*>>{
      {
          "CREATE TABLE decisions (id BIGINT PRIMARY KEY, at BIGINT NOT NULL, host TEXT NOT NULL, victim TEXT NOT "
          "NULL, "
          "workload TEXT NOT NULL, verdict TEXT NOT NULL, body TEXT NOT NULL)",
          "CREATE TABLE events (id BIGINT PRIMARY KEY, at BIGINT NOT NULL, host TEXT NOT NULL, workload TEXT NOT NULL, "
          "kind TEXT NOT NULL, body TEXT NOT NULL)",
          "CREATE TABLE receipt_batches (host TEXT NOT NULL, batch TEXT NOT NULL, at BIGINT NOT NULL, "
          "PRIMARY KEY (host, batch))",
          "CREATE TABLE receipts (id BIGINT PRIMARY KEY, at BIGINT NOT NULL, host TEXT NOT NULL, victim TEXT NOT NULL, "
          "workload TEXT NOT NULL, outcome TEXT NOT NULL, body TEXT NOT NULL)",
          "CREATE TABLE settings (name TEXT PRIMARY KEY, body TEXT NOT NULL)",
      },
      {
          "CREATE TABLE pair_minutes (id BIGINT PRIMARY KEY, at BIGINT NOT NULL, host TEXT NOT NULL, "
          "victim TEXT NOT NULL, aggressor TEXT NOT NULL, mean_score DOUBLE PRECISION NOT NULL, "
          "worst_score DOUBLE PRECISION NOT NULL, sample_count BIGINT NOT NULL)",
          "CREATE TABLE workload_minutes (id BIGINT PRIMARY KEY, at BIGINT NOT NULL, host TEXT NOT NULL, "
          "workload TEXT NOT NULL, mean_cores DOUBLE PRECISION NOT NULL, most_cores DOUBLE PRECISION NOT NULL, "
          "sample_count BIGINT NOT NULL)",
          "CREATE INDEX decisions_by_host ON decisions (host, id)",
          "CREATE INDEX events_by_host ON events (host, id)",
          "CREATE INDEX receipts_by_host ON receipts (host, id)",
          "CREATE INDEX receipt_batches_by_time ON receipt_batches (at)",
      },
      {
          "CREATE TABLE signatures (application TEXT NOT NULL, model TEXT NOT NULL, at BIGINT NOT NULL, "
          "body TEXT NOT NULL, PRIMARY KEY (application, model))",
          "CREATE INDEX signatures_by_time ON signatures (at)",
      },
      {
          "CREATE TABLE migrations (migration TEXT PRIMARY KEY, at BIGINT NOT NULL, phase BIGINT NOT NULL, "
          "body TEXT NOT NULL)",
          "CREATE INDEX migrations_by_time ON migrations (at)",
      },
      {
          "CREATE TABLE baselines (application TEXT NOT NULL, cpu_model TEXT NOT NULL, size_bucket BIGINT NOT NULL, "
          "at BIGINT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (application, cpu_model, size_bucket))",
          "CREATE INDEX baselines_by_time ON baselines (at)",
          "CREATE TABLE drift_episodes (episode TEXT PRIMARY KEY, at BIGINT NOT NULL, body TEXT NOT NULL)",
          "CREATE INDEX drift_episodes_by_time ON drift_episodes (at)",
      },
      {
          "CREATE TABLE rollouts (kind BIGINT PRIMARY KEY, body TEXT NOT NULL)",
      },
      DemandBlocks(),
  };
  return *kSteps;
}

}  // namespace

absl::Status Migrate(soci::session& sql, int target) {
  sql << "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)";
  int version = 0;
  int rows = 0;
  sql << "SELECT COUNT(*) FROM schema_version", soci::into(rows);
  if (rows > 0) sql << "SELECT MAX(version) FROM schema_version", soci::into(version);
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(StrCat("its schema has version ", version,
                                                " and this controller knows versions up to ", kSchemaVersion,
                                                "; install the controller that wrote it, or give another store.file"));
  }
  for (; version < target; ++version) {
    soci::transaction transaction(sql);
    for (const char* statement : Steps()[static_cast<size_t>(version)]) sql << statement;
    sql << "DELETE FROM schema_version";
    const int next = version + 1;
    sql << "INSERT INTO schema_version (version) VALUES (:version)", soci::use(next);
    transaction.commit();
  }
  return absl::OkStatus();
}

}  // namespace truce::controller
