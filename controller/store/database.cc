#include "controller/store/database.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "controller/store/schema.h"
#include "google/protobuf/util/json_util.h"
#include "src/base/soci_without_boost.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr int64_t kPageBytes = 4096;
constexpr long long kKeptSignatures = kMostSignatures;
constexpr long long kKeptBaselines = kMostStoredBaselines;
constexpr long long kKeptEpisodes = kMostStoredEpisodes;
// Phases from here on are ends.
constexpr long long kFirstEnded = v1::MIGRATION_PHASE_MOVED;
// Tables that are pruned by rows too: `id` rises with time.
constexpr std::array kNumberedTables = {"decisions", "events", "receipts", "pair_minutes", "workload_minutes"};

std::string ToJson(const google::protobuf::Message& message) {
  std::string text;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  // Only fails for Any and broken time stamps; what can't be said is stored as empty rather than not at all.
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) text = "{}";
  return text;
}

template <typename Message>
Message FromJson(const std::string& text) {
  Message message;
  google::protobuf::util::JsonParseOptions options;
  // A newer controller may have written fields that this one doesn't know.
  options.ignore_unknown_fields = true;
  (void)google::protobuf::util::JsonStringToMessage(text, &message, options);
  return message;
}

long long Micros(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1'000'000 + time.nanos() / 1000;
}
long long Micros(absl::Time time) {
  return absl::ToUnixMicros(time);
}

// FNV-1a, 64 bits: tells batches of one id apart, whose agent began to count anew.
std::string Digest(const std::string& bytes) {
  uint64_t hash = 14695981039346656037ULL;
  for (const unsigned char c : bytes) hash = (hash ^ c) * 1099511628211ULL;
  return StrCat(absl::Hex(hash));
}

absl::Status FromSoci(const std::string& file, std::string_view what, const char* error) {
  // SOCI adds the statement with every value in it, which is of no use to the reader and may be long.
  const absl::string_view whole(error);
  const absl::string_view text = whole.substr(0, whole.find(" while executing"));
  const std::string message = StrCat("store ", file, ": ", what, ": ", StdView(text));
  if (absl::StrContains(text, "full")) {
    return absl::ResourceExhaustedError(StrCat(message, "; free some space or raise store.maximum_mib"));
  }
  if (absl::StrContains(text, "not a database") || absl::StrContains(text, "malformed")) {
    return absl::DataLossError(StrCat(message, "; move the file away or put a backup in its place"));
  }
  if (absl::StrContains(text, "locked")) {
    return absl::FailedPreconditionError(StrCat(message, "; another controller has it open"));
  }
  if (absl::StrContains(text, "unable to open")) {
    return absl::PermissionDeniedError(
        StrCat(message, "; the directory must exist and be writable for the controller (store.file)"));
  }
  return absl::InternalError(message);
}

}  // namespace

Database::Database(std::string file) : file_(std::move(file)), sql_(std::make_unique<soci::session>()) {}
Database::~Database() = default;

absl::Status Database::Guard(std::string_view what, const std::function<void()>& body) {
  try {
    body();
    return absl::OkStatus();
  } catch (const std::exception& error) {
    return FromSoci(file_, what, error.what());
  }
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& file, int64_t maximum_bytes) {
  std::unique_ptr<Database> database(new Database(file));
  if (file.find('"') != std::string::npos) {
    return absl::InvalidArgumentError(StrCat("store ", file, ": the name of the file has a quotation mark"));
  }
  if (file != ":memory:") {
    // The state directory may not exist on a first start; SQLite's own message does not say so.
    std::error_code ignored;
    const auto parent = std::filesystem::path(file).parent_path();
    if (!parent.empty()) std::filesystem::create_directories(parent, ignored);
    // Who did what on which host is not for everybody's eyes; SQLite gives its other files the mode of this one. A file
    // that is there is left alone: closing it here would drop another session's lock. SQLite tells what goes wrong.
    const int made = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (made >= 0) ::close(made);
  }
  absl::Status migrated;
  absl::Status opened = database->Guard("opening", [&] {
    soci::session& sql = *database->sql_;
    sql.open(soci::sqlite3, StrCat("db=\"", file, "\" timeout=2"));
    // One process owns the file: a second controller on it is refused instead of mixing two fleets' states.
    sql << "PRAGMA locking_mode=EXCLUSIVE";
    sql << "PRAGMA journal_mode=WAL";
    sql << "PRAGMA synchronous=NORMAL";
    if (maximum_bytes > 0) sql << StrCat("PRAGMA max_page_count=", std::max<int64_t>(maximum_bytes / kPageBytes, 1));
    migrated = Migrate(sql);
  });
  TRUCE_RETURN_IF_ERROR(opened);
  TRUCE_RETURN_IF_ERROR(WithContext(migrated, StrCat("store ", file)));
  return database;
}

int64_t Database::NextId(const std::string& table) {
  auto [it, is_new] = next_ids_.try_emplace(table, 1);
  if (is_new) {
    long long highest = 0;
    *sql_ << StrCat("SELECT COALESCE(MAX(id), 0) FROM ", table), soci::into(highest);
    it->second = highest + 1;
  }
  return it->second++;
}

absl::StatusOr<StoredState> Database::Load() {
  StoredState state;
  TRUCE_RETURN_IF_ERROR(Guard("reading the state", [&] {
    soci::rowset<soci::row> rows = (sql_->prepare << "SELECT name, body FROM settings");
    for (const auto& row : rows) {
      const auto name = row.get<std::string>(0);
      const auto body = row.get<std::string>(1);
      if (name == "policy") state.policy = FromJson<v1::Policy>(body);
      if (name.rfind("hold/", 0) == 0) state.holds[name.substr(5)] = body;
    }
    soci::rowset<std::string> hosts =
        (sql_->prepare << "SELECT DISTINCT host FROM events WHERE kind = 'host_connected'");
    state.hosts.insert(hosts.begin(), hosts.end());
    state.next_decision_id = static_cast<uint64_t>(NextId("decisions"));
    state.next_event_sequence = static_cast<uint64_t>(NextId("events"));
    soci::rowset<std::string> signatures =
        (sql_->prepare << "SELECT body FROM (SELECT body, at FROM signatures ORDER BY at DESC LIMIT :kept) ORDER BY at",
         soci::use(kKeptSignatures));
    for (const auto& body : signatures) state.signatures.push_back(FromJson<v1::ApplicationSignature>(body));
    soci::rowset<std::string> baselines =
        (sql_->prepare << "SELECT body FROM (SELECT body, at FROM baselines ORDER BY at DESC LIMIT :kept) AS newest "
                          "ORDER BY at",
         soci::use(kKeptBaselines));
    for (const auto& body : baselines) state.baselines.push_back(FromJson<v1::ApplicationBaseline>(body));
    soci::rowset<std::string> episodes =
        (sql_->prepare << "SELECT body FROM (SELECT body, at FROM drift_episodes ORDER BY at DESC LIMIT :kept) AS "
                          "newest ORDER BY at",
         soci::use(kKeptEpisodes));
    for (const auto& body : episodes) state.drift_episodes.push_back(FromJson<v1::DriftEpisode>(body));
    state.demand_blocks = LoadDemandBlocks();
    soci::rowset<std::string> receipts =
        (sql_->prepare << "SELECT body FROM (SELECT body, id FROM receipts ORDER BY id DESC LIMIT :kept) AS newest "
                          "ORDER BY id",
         soci::use(kTeachingReceipts));
    for (const auto& body : receipts) state.receipts.push_back(FromJson<v1::Receipt>(body));
    soci::rowset<std::string> migrations =
        (sql_->prepare << "SELECT body FROM migrations WHERE phase < :ended OR migration IN (SELECT migration FROM "
                          "migrations WHERE phase >= :ended2 ORDER BY at DESC LIMIT :kept) ORDER BY at",
         soci::use(kFirstEnded), soci::use(kFirstEnded), soci::use(kRestoredMigrations));
    for (const auto& body : migrations) state.migrations.push_back(FromJson<v1::Migration>(body));
    soci::rowset<std::string> rollouts = (sql_->prepare << "SELECT body FROM rollouts ORDER BY kind");
    for (const auto& body : rollouts) state.rollouts.push_back(FromJson<v1::RolloutState>(body));
  }));
  return state;
}

absl::Status Database::Begin() {
  return Guard("beginning a transaction", [&] { sql_->begin(); });
}
absl::Status Database::Commit() {
  return Guard("committing", [&] { sql_->commit(); });
}
void Database::Rollback() {
  // SQLite rolls back by itself when the disk is full, and then has nothing left to roll back.
  (void)Guard("rolling back", [&] { sql_->rollback(); });
}

absl::Status Database::Insert(const v1::Decision& decision) {
  return Guard("writing a decision", [&] {
    const auto id = static_cast<long long>(decision.id());
    const long long at = Micros(decision.decided_at());
    const std::string body = ToJson(decision);
    *sql_ << "INSERT INTO decisions (id, at, host, victim, workload, verdict, body) VALUES (:id, :at, :host, :victim, "
             ":workload, :verdict, :body)",
        soci::use(id), soci::use(at), soci::use(decision.host()), soci::use(decision.victim()),
        soci::use(decision.workload()), soci::use(decision.verdict()), soci::use(body);
  });
}

absl::Status Database::Insert(const v1::Event& event) {
  return Guard("writing an event", [&] {
    const auto id = static_cast<long long>(event.sequence());
    const long long at = Micros(event.occurred_at());
    const std::string body = ToJson(event);
    *sql_
        << "INSERT INTO events (id, at, host, workload, kind, body) VALUES (:id, :at, :host, :workload, :kind, :body)",
        soci::use(id), soci::use(at), soci::use(event.host()), soci::use(event.workload()), soci::use(event.kind()),
        soci::use(body);
  });
}

absl::Status Database::Insert(const std::string& host, const v1::ReceiptBatch& batch, absl::Time now) {
  return Guard("writing receipts", [&] {
    const std::string name = StrCat(batch.batch_id(), "/", Digest(batch.SerializeAsString()));
    int known = 0;
    *sql_ << "SELECT COUNT(*) FROM receipt_batches WHERE host = :host AND batch = :batch", soci::use(host),
        soci::use(name), soci::into(known);
    if (known > 0) return;
    const long long at = Micros(now);
    *sql_ << "INSERT INTO receipt_batches (host, batch, at) VALUES (:host, :batch, :at)", soci::use(host),
        soci::use(name), soci::use(at);
    for (const auto& receipt : batch.receipts()) {
      const long long id = NextId("receipts");
      const std::string outcome = v1::ReceiptOutcome_Name(receipt.outcome());
      const std::string body = ToJson(receipt);
      *sql_ << "INSERT INTO receipts (id, at, host, victim, workload, outcome, body) VALUES (:id, :at, :host, :victim, "
               ":workload, :outcome, :body)",
          soci::use(id), soci::use(at), soci::use(host), soci::use(receipt.action().victim()),
          soci::use(receipt.action().workload()), soci::use(outcome), soci::use(body);
    }
  });
}

absl::Status Database::Insert(const PairMinute& row) {
  return Guard("writing a pair's history", [&] {
    const long long id = NextId("pair_minutes");
    const long long at = Micros(row.minute);
    *sql_ << "INSERT INTO pair_minutes (id, at, host, victim, aggressor, mean_score, worst_score, sample_count) VALUES "
             "(:id, :at, :host, :victim, :aggressor, :mean, :worst, :samples)",
        soci::use(id), soci::use(at), soci::use(row.host), soci::use(row.victim), soci::use(row.aggressor),
        soci::use(row.mean_score), soci::use(row.worst_score), soci::use(row.sample_count);
  });
}

absl::Status Database::Insert(const WorkloadMinute& row) {
  return Guard("writing a workload's history", [&] {
    const long long id = NextId("workload_minutes");
    const long long at = Micros(row.minute);
    *sql_ << "INSERT INTO workload_minutes (id, at, host, workload, mean_cores, most_cores, sample_count) VALUES "
             "(:id, :at, :host, :workload, :mean, :most, :samples)",
        soci::use(id), soci::use(at), soci::use(row.host), soci::use(row.workload), soci::use(row.mean_cores),
        soci::use(row.most_cores), soci::use(row.sample_count);
  });
}

absl::Status Database::SaveSetting(const std::string& name, const std::string& body) {
  return Guard(StrCat("writing setting ", name), [&] {
    *sql_ << "DELETE FROM settings WHERE name = :name", soci::use(name);
    *sql_ << "INSERT INTO settings (name, body) VALUES (:name, :body)", soci::use(name), soci::use(body);
  });
}

absl::Status Database::SavePolicy(const v1::Policy& policy) {
  return SaveSetting("policy", ToJson(policy));
}

absl::Status Database::SaveHolds(const std::map<std::string, std::string>& holds) {
  TRUCE_RETURN_IF_ERROR(Guard("clearing holds", [&] { *sql_ << "DELETE FROM settings WHERE name LIKE 'hold/%'"; }));
  for (const auto& [host, reason] : holds) TRUCE_RETURN_IF_ERROR(SaveSetting(StrCat("hold/", host), reason));
  return absl::OkStatus();
}

absl::Status Database::SaveSignature(const v1::ApplicationSignature& learned) {
  return Guard("writing a signature", [&] {
    const std::string& model = learned.signature().model_version();
    const long long at = Micros(learned.last_learned_at());
    const std::string body = ToJson(learned);
    *sql_ << "DELETE FROM signatures WHERE application = :application AND model = :model",
        soci::use(learned.application()), soci::use(model);
    *sql_ << "INSERT INTO signatures (application, model, at, body) VALUES (:application, :model, :at, :body)",
        soci::use(learned.application()), soci::use(model), soci::use(at), soci::use(body);
  });
}

absl::Status Database::SaveBaseline(const v1::ApplicationBaseline& baseline) {
  return Guard("writing a baseline", [&] {
    const long long bucket = baseline.size_bucket();
    const long long at = Micros(baseline.last_learned_at());
    const std::string body = ToJson(baseline);
    *sql_ << "DELETE FROM baselines WHERE application = :application AND cpu_model = :model AND size_bucket = :bucket",
        soci::use(baseline.application()), soci::use(baseline.cpu_model()), soci::use(bucket);
    *sql_ << "INSERT INTO baselines (application, cpu_model, size_bucket, at, body) VALUES (:application, :model, "
             ":bucket, :at, :body)",
        soci::use(baseline.application()), soci::use(baseline.cpu_model()), soci::use(bucket), soci::use(at),
        soci::use(body);
  });
}

absl::Status Database::SaveDriftEpisode(const v1::DriftEpisode& episode) {
  return Guard("writing an episode of drift", [&] {
    const long long at = Micros(episode.detected_at());
    const std::string body = ToJson(episode);
    *sql_ << "DELETE FROM drift_episodes WHERE episode = :episode", soci::use(episode.episode_id());
    *sql_ << "INSERT INTO drift_episodes (episode, at, body) VALUES (:episode, :at, :body)",
        soci::use(episode.episode_id()), soci::use(at), soci::use(body);
  });
}

absl::Status Database::SaveMigration(const v1::Migration& migration) {
  return Guard("writing a migration", [&] {
    const long long at = Micros(migration.changed_at());
    const long long phase = migration.phase();
    const std::string body = ToJson(migration);
    *sql_ << "DELETE FROM migrations WHERE migration = :migration", soci::use(migration.migration_id());
    *sql_ << "INSERT INTO migrations (migration, at, phase, body) VALUES (:migration, :at, :phase, :body)",
        soci::use(migration.migration_id()), soci::use(at), soci::use(phase), soci::use(body);
  });
}

absl::Status Database::SaveRollout(const v1::RolloutState& rollout) {
  return Guard("writing a rollout of models", [&] {
    const long long kind = rollout.kind();
    const std::string body = ToJson(rollout);
    *sql_ << "DELETE FROM rollouts WHERE kind = :kind", soci::use(kind);
    *sql_ << "INSERT INTO rollouts (kind, body) VALUES (:kind, :body)", soci::use(kind), soci::use(body);
  });
}

absl::StatusOr<std::vector<v1::Decision>> Database::Decisions(const std::string& host, const std::string& workload,
                                                              int limit) {
  std::vector<v1::Decision> decisions;
  TRUCE_RETURN_IF_ERROR(Guard("reading decisions", [&] {
    soci::rowset<std::string> rows =
        (sql_->prepare << "SELECT body FROM decisions WHERE (:host = '' OR host = :host2) AND (:workload = '' OR "
                          "workload = :workload2 OR victim = :workload3) ORDER BY id DESC LIMIT :limit",
         soci::use(host), soci::use(host), soci::use(workload), soci::use(workload), soci::use(workload),
         soci::use(limit));
    for (const auto& body : rows) decisions.push_back(FromJson<v1::Decision>(body));
  }));
  std::reverse(decisions.begin(), decisions.end());
  return decisions;
}

absl::StatusOr<std::vector<v1::ReceiptRecord>> Database::Receipts(const std::string& host, const std::string& workload,
                                                                  int limit) {
  std::vector<v1::ReceiptRecord> receipts;
  TRUCE_RETURN_IF_ERROR(Guard("reading receipts", [&] {
    soci::rowset<soci::row> rows =
        (sql_->prepare << "SELECT host, body FROM receipts WHERE (:host = '' OR host = :host2) AND (:workload = '' OR "
                          "workload = :workload2 OR victim = :workload3) ORDER BY id DESC LIMIT :limit",
         soci::use(host), soci::use(host), soci::use(workload), soci::use(workload), soci::use(workload),
         soci::use(limit));
    for (const auto& row : rows) {
      auto& record = receipts.emplace_back();
      record.set_host(row.get<std::string>(0));
      *record.mutable_receipt() = FromJson<v1::Receipt>(row.get<std::string>(1));
    }
  }));
  std::reverse(receipts.begin(), receipts.end());
  return receipts;
}

absl::StatusOr<std::vector<v1::Event>> Database::Events(const EventQuery& query) {
  std::vector<v1::Event> events;
  TRUCE_RETURN_IF_ERROR(Guard("reading events", [&] {
    const auto from = static_cast<long long>(query.after);
    const std::string order = query.after == 0 ? "DESC" : "ASC";
    // A list of kinds as one text, each between two commas: there are no commas in kinds.
    const std::string kinds = query.kinds.empty() ? "" : StrCat(",", absl::StrJoin(query.kinds, ","), ",");
    soci::rowset<std::string> rows =
        (sql_->prepare << "SELECT body FROM events WHERE (:host = '' OR host = :host2) AND (:workload = '' OR "
                          "workload = :workload2) AND (:kinds = '' OR :kinds2 LIKE '%,' || kind || ',%') AND "
                          "id > :after ORDER BY id "
                       << order << " LIMIT :limit",
         soci::use(query.host), soci::use(query.host), soci::use(query.workload), soci::use(query.workload),
         soci::use(kinds), soci::use(kinds), soci::use(from), soci::use(query.limit));
    for (const auto& body : rows) events.push_back(FromJson<v1::Event>(body));
  }));
  if (query.after == 0) std::reverse(events.begin(), events.end());
  return events;
}

absl::StatusOr<int64_t> Database::Prune(absl::Time oldest, int64_t rows, int64_t batch) {
  long long deleted = 0;
  TRUCE_RETURN_IF_ERROR(Guard("pruning", [&] {
    const long long before = Micros(oldest);
    const long long most = batch;
    for (const char* table : kNumberedTables) {
      long long highest = 0;
      *sql_ << StrCat("SELECT COALESCE(MAX(id), 0) FROM ", table), soci::into(highest);
      const long long beyond = highest - rows;
      // Ids rise with time, so the oldest rows are those with the lowest ids.
      soci::statement statement =
          (sql_->prepare << StrCat("DELETE FROM ", table, " WHERE id IN (SELECT id FROM ", table,
                                   " WHERE id <= :beyond OR at < :before ORDER BY id LIMIT :most)"),
           soci::use(beyond), soci::use(before), soci::use(most));
      statement.execute(true);
      deleted += statement.get_affected_rows();
    }
    *sql_ << "DELETE FROM receipt_batches WHERE at < :before", soci::use(before);
    *sql_ << "DELETE FROM migrations WHERE at < :before AND phase >= :ended", soci::use(before), soci::use(kFirstEnded);
    *sql_ << "DELETE FROM signatures WHERE rowid IN (SELECT rowid FROM signatures ORDER BY at DESC LIMIT -1 "
             "OFFSET :kept)",
        soci::use(kKeptSignatures);
    *sql_
        << "DELETE FROM baselines WHERE rowid IN (SELECT rowid FROM baselines ORDER BY at DESC LIMIT -1 OFFSET :kept)",
        soci::use(kKeptBaselines);
    *sql_ << "DELETE FROM drift_episodes WHERE rowid IN (SELECT rowid FROM drift_episodes ORDER BY at DESC LIMIT -1 "
             "OFFSET :kept)",
        soci::use(kKeptEpisodes);
    PruneDemandBlocks();
  }));
  return deleted;
}

absl::StatusOr<int64_t> Database::CountRows(std::string_view table) {
  long long count = 0;
  TRUCE_RETURN_IF_ERROR(Guard("counting", [&] { *sql_ << StrCat("SELECT COUNT(*) FROM ", table), soci::into(count); }));
  return count;
}

}  // namespace truce::controller
