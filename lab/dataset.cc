#include "lab/dataset.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <exception>
#include <filesystem>
#include <stdexcept>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "src/base/soci_without_boost.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::lab {
namespace {

constexpr const char* kFormat = "truce-lab 3";
// Seconds for which one that reads and one that writes wait for each other.
constexpr int kPatience = 30;

// A name goes into the string that SOCI opens the file by.
absl::Status CheckName(const std::string& file) {
  if (!file.empty() && file.find('"') == std::string::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat("'", file, "' is no name for a data set"));
}

std::string ReadingNames() {
  std::string names;
  for (size_t i = 0; i < kReadingCount; ++i) {
    StrAppend(&names, i == 0 ? "" : ", ", ReadingName(static_cast<Reading>(i)));
  }
  return names;
}

// Round-trips a float and is short for the small whole numbers that most readings are.
std::string Number(double value) {
  return std::isfinite(value) ? absl::StrFormat("%.7g", value) : "NULL";
}

std::string Time(double seconds) {
  return absl::StrFormat("%.3f", seconds);
}

void Make(soci::session& sql, const std::string& machine, const std::string& topology) {
  sql << "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)";
  sql << "CREATE TABLE programs (name TEXT PRIMARY KEY, kind TEXT NOT NULL, about TEXT NOT NULL, text TEXT NOT NULL)";
  sql << "CREATE TABLE lives (id INTEGER PRIMARY KEY, program TEXT NOT NULL, load TEXT NOT NULL, cpus TEXT NOT NULL)";
  std::string columns;
  for (size_t i = 0; i < kReadingCount; ++i) StrAppend(&columns, ", ", ReadingName(static_cast<Reading>(i)), " REAL");
  sql << StrCat("CREATE TABLE samples (life INTEGER NOT NULL, at REAL NOT NULL, operations REAL NOT NULL, ",
                "busy_seconds REAL NOT NULL", columns, ")");
  sql << "CREATE TABLE segments (id INTEGER PRIMARY KEY, meeting INTEGER NOT NULL, begin REAL NOT NULL, end REAL NOT "
         "NULL, seconds REAL NOT "
         "NULL, steal_ratio REAL NOT NULL, other_cores REAL NOT NULL)";
  sql << "CREATE TABLE members (segment INTEGER NOT NULL, life INTEGER NOT NULL, operations REAL NOT NULL, "
         "busy_seconds REAL NOT NULL, spread_ratio REAL NOT NULL)";
  const std::vector<std::pair<std::string, std::string>> meta = {
      {"format", kFormat},
      {"machine", machine},
      {"topology", topology},
      {"readings", ReadingNames()},
      {"about",
       "Programs alone and together on one host, measured by truce-lab collect. Times in seconds since 1970; "
       "readings are named after their units; NULL is missing."}};
  for (const auto& [key, value] : meta) {
    sql << "INSERT INTO meta (key, value) VALUES (:key, :value)", soci::use(key), soci::use(value);
  }
}

// A number of the file that must be one, and not below zero.
double Sound(double value, std::string_view what, int64_t id) {
  constexpr double kMost = 1e18;
  if (value >= 0 && value <= kMost) return value;
  throw std::runtime_error(StrCat(what, " ", id, " has ", value, " where a number from 0 on should be"));
}

std::map<std::string, std::string> ReadMeta(soci::session& sql) {
  int tables = 0;
  sql << "SELECT COUNT(*) FROM sqlite_master WHERE name IN ('meta', 'lives', 'samples', 'segments', 'members')",
      soci::into(tables);
  if (tables != 5) throw std::runtime_error("it is no data set of truce-lab collect");
  std::map<std::string, std::string> meta;
  soci::rowset<soci::row> rows = (sql.prepare << "SELECT key, value FROM meta");
  for (const auto& row : rows) meta[row.get<std::string>(0)] = row.get<std::string>(1);
  return meta;
}

void ReadLives(soci::session& sql, DatasetContent* content) {
  soci::rowset<soci::row> lives = (sql.prepare << "SELECT id, program, load, cpus FROM lives");
  for (const auto& row : lives) {
    DatasetLife life;
    life.id = row.get<int>(0);
    life.program = row.get<std::string>(1);
    life.load = row.get<std::string>(2);
    life.cpus = host::ParseCpuList(row.get<std::string>(3)).value_or(std::vector<int>());
    if (life.cpus.empty()) throw std::runtime_error(StrCat("life ", life.id, " has no CPUs"));
    content->lives.emplace(life.id, std::move(life));
  }
  // Readings are found by the names of their columns: a newer or older file has others.
  std::map<std::string, Reading> readings;
  for (size_t i = 0; i < kReadingCount; ++i) {
    readings.emplace(ReadingName(static_cast<Reading>(i)), static_cast<Reading>(i));
  }
  soci::rowset<soci::row> samples = (sql.prepare << "SELECT * FROM samples ORDER BY at");
  for (const auto& row : samples) {
    const auto life = content->lives.find(row.get<int>(0));
    if (life == content->lives.end()) continue;
    DatasetSample& sample = life->second.samples.emplace_back();
    sample.at = Sound(row.get<double>(1), "a sample of life", life->first);
    sample.operations = Sound(row.get<double>(2), "a sample of life", life->first);
    sample.busy_seconds = Sound(row.get<double>(3), "a sample of life", life->first);
    for (size_t column = 4; column < row.size(); ++column) {
      const auto reading = readings.find(row.get_properties(column).get_name());
      if (reading == readings.end() || row.get_indicator(column) == soci::i_null) continue;
      sample.readings.set(reading->second, Sound(row.get<double>(column), "a sample of life", life->first));
    }
  }
}

void ReadSegments(soci::session& sql, DatasetContent* content) {
  std::map<int, size_t> position;
  soci::rowset<soci::row> segments =
      (sql.prepare << "SELECT id, begin, end, seconds, steal_ratio, other_cores, meeting FROM segments ORDER BY begin");
  for (const auto& row : segments) {
    DatasetSegment& segment = content->segments.emplace_back();
    segment.id = row.get<int>(0);
    segment.begin = Sound(row.get<double>(1), "segment", segment.id);
    segment.end = Sound(row.get<double>(2), "segment", segment.id);
    if (segment.end < segment.begin) throw std::runtime_error(StrCat("segment ", segment.id, " ends before it begins"));
    segment.seconds = Sound(row.get<double>(3), "segment", segment.id);
    segment.steal_ratio = Sound(row.get<double>(4), "segment", segment.id);
    segment.other_cores = Sound(row.get<double>(5), "segment", segment.id);
    segment.meeting = row.get<int>(6);
    position[row.get<int>(0)] = content->segments.size() - 1;
  }
  soci::rowset<soci::row> members =
      (sql.prepare << "SELECT segment, life, operations, busy_seconds, spread_ratio FROM members");
  for (const auto& row : members) {
    const auto segment = position.find(row.get<int>(0));
    if (segment == position.end() || !content->lives.contains(row.get<int>(1))) {
      throw std::runtime_error(StrCat("a member names segment ", row.get<int>(0), " and life ", row.get<int>(1),
                                      ", which are not both there"));
    }
    std::vector<DatasetMember>& others = content->segments[segment->second].members;
    if (std::any_of(others.begin(), others.end(), [&](const auto& other) { return other.life == row.get<int>(1); })) {
      throw std::runtime_error(StrCat("life ", row.get<int>(1), " is twice in segment ", row.get<int>(0)));
    }
    others.push_back({row.get<int>(1), Sound(row.get<double>(2), "a member of segment", row.get<int>(0)),
                      Sound(row.get<double>(3), "a member of segment", row.get<int>(0)),
                      Sound(row.get<double>(4), "a member of segment", row.get<int>(0))});
  }
}

}  // namespace

std::string PairKey(const std::string& a, const std::string& b) {
  return a < b ? StrCat(a, "\n", b) : StrCat(b, "\n", a);
}

Dataset::Dataset(std::string file) : file_(std::move(file)), sql_(std::make_unique<soci::session>()) {}
Dataset::~Dataset() = default;

absl::Status Dataset::Guard(std::string_view what, const std::function<void()>& body) const {
  try {
    body();
    return absl::OkStatus();
  } catch (const std::exception& error) {
    const std::string_view said = error.what();
    const bool broken =
        said.find("not a database") != std::string_view::npos || said.find("malformed") != std::string_view::npos;
    return absl::DataLossError(
        StrCat("data set ", file_, ": ",
               broken ? "it is no data set, or a damaged one; choose another file" : StrCat(what, ": ", said)));
  }
}

absl::StatusOr<std::unique_ptr<Dataset>> Dataset::Open(const std::string& file, const std::string& machine,
                                                       const std::string& topology) {
  TRUCE_RETURN_IF_ERROR(CheckName(file));
  struct stat status {};
  if (stat(file.c_str(), &status) == 0 ? !S_ISREG(status.st_mode) : errno != ENOENT) {
    return absl::InvalidArgumentError(StrCat("data set ", file, " is no file; choose another with --output"));
  }
  const std::filesystem::path directory = std::filesystem::absolute(file).parent_path();
  if (access(directory.c_str(), W_OK | X_OK) != 0) {
    return absl::InvalidArgumentError(StrCat("data set ", file, " can't be made: ", directory.string(), " ",
                                             errno == ENOENT ? "does not exist" : "can't be written",
                                             "; choose another file with --output"));
  }
  std::unique_ptr<Dataset> dataset(new Dataset(file));
  std::map<std::string, std::string> meta;
  TRUCE_RETURN_IF_ERROR(dataset->Guard("opening it", [&] {
    soci::session& sql = *dataset->sql_;
    sql.open(soci::sqlite3, StrCat("db=\"", file, "\" timeout=", kPatience));
    sql << "PRAGMA synchronous=NORMAL";
    int tables = 0;
    sql << "SELECT COUNT(*) FROM sqlite_master", soci::into(tables);
    if (tables == 0) {
      soci::transaction transaction(sql);
      Make(sql, machine, topology);
      transaction.commit();
    }
    meta = ReadMeta(sql);
  }));
  if (meta["format"] != kFormat) {
    return absl::FailedPreconditionError(
        StrCat("data set ", file, " has the format '", meta["format"], "'; this truce-lab writes '", kFormat, "'"));
  }
  if (meta["machine"] != machine) {
    return absl::FailedPreconditionError(StrCat("data set ", file, " was measured on another machine (",
                                                meta["machine"], "; this is ", machine,
                                                "); choose another file with --output"));
  }
  if (meta["readings"] != ReadingNames()) {
    return absl::FailedPreconditionError(
        StrCat("data set ", file,
               " was begun by another version of Truce, which knew other readings; choose another "
               "file with --output"));
  }
  return dataset;
}

absl::StatusOr<DatasetContent> Dataset::Load(const std::string& file) {
  TRUCE_RETURN_IF_ERROR(CheckName(file));
  struct stat status {};
  if (stat(file.c_str(), &status) != 0 && errno == ENOENT) {
    return absl::NotFoundError(StrCat("data set ", file, " does not exist; measure one with: truce-lab collect"));
  }
  // What SQLite says of a file that may not be read is no help.
  if (access(file.c_str(), R_OK) != 0) return ErrnoStatus(errno, StrCat("reading data set ", file));
  if (!S_ISREG(status.st_mode)) return absl::DataLossError(StrCat("data set ", file, " is no file"));
  Dataset dataset(file);
  DatasetContent content;
  TRUCE_RETURN_IF_ERROR(dataset.Guard("reading it", [&] {
    soci::session& sql = *dataset.sql_;
    // A writer that was killed has left a journal, which is rolled back by whoever may write.
    const bool interrupted = access((file + "-journal").c_str(), F_OK) == 0;
    sql.open(soci::sqlite3, StrCat("db=\"", file, "\"", interrupted ? "" : " readonly=1", " timeout=", kPatience));
    content.meta = ReadMeta(sql);
    soci::rowset<soci::row> programs = (sql.prepare << "SELECT name, kind FROM programs");
    for (const auto& row : programs) content.kind_of_program[row.get<std::string>(0)] = row.get<std::string>(1);
    ReadLives(sql, &content);
    ReadSegments(sql, &content);
  }));
  if (content.meta["format"] != kFormat) {
    return absl::FailedPreconditionError(
        StrCat("data set ", file, " has the format '", content.meta["format"], "', not '", kFormat, "'"));
  }
  for (const char* key : {"machine", "topology", "readings"}) {
    if (content.meta[key].empty()) return absl::DataLossError(StrCat("data set ", file, " does not say its ", key));
  }
  return content;
}

absl::StatusOr<int64_t> Dataset::Add(const DatasetLife& life, const Program& program) {
  int id = 0;
  std::string known;
  TRUCE_RETURN_IF_ERROR(Guard("reading what was measured", [&] {
    *sql_ << "SELECT text FROM programs WHERE name = :name", soci::use(program.name), soci::into(known);
    if (!sql_->got_data()) known = program.text;
  }));
  if (known != program.text) {
    return absl::FailedPreconditionError(
        StrCat("data set ", file_, " holds ", program.name,
               " under another description, and what that measured is not to be mixed with this; give one of them "
               "another name, or choose another file with --output"));
  }
  TRUCE_RETURN_IF_ERROR(Guard("adding a life", [&] {
    const std::string cpus = host::FormatCpuList(life.cpus);
    soci::transaction transaction(*sql_);
    *sql_ << "INSERT OR REPLACE INTO programs (name, kind, about, text) VALUES (:name, :kind, :about, :text)",
        soci::use(program.name), soci::use(program.kind), soci::use(program.about), soci::use(program.text);
    *sql_ << "INSERT INTO lives (program, load, cpus) VALUES (:program, :load, :cpus)", soci::use(life.program),
        soci::use(life.load), soci::use(cpus);
    *sql_ << "SELECT last_insert_rowid()", soci::into(id);
    transaction.commit();
  }));
  return id;
}

absl::Status Dataset::AddSamples(const DatasetLife& life) {
  return Guard("adding samples", [&] {
    soci::transaction transaction(*sql_);
    for (const DatasetSample& sample : life.samples) {
      std::string values =
          StrCat(life.id, ", ", Time(sample.at), ", ", Number(sample.operations), ", ", Number(sample.busy_seconds));
      for (size_t i = 0; i < kReadingCount; ++i) {
        const auto reading = sample.readings.get(static_cast<Reading>(i));
        StrAppend(&values, ", ", reading ? Number(*reading) : "NULL");
      }
      *sql_ << StrCat("INSERT INTO samples VALUES (", values, ")");
    }
    transaction.commit();
  });
}

absl::StatusOr<int64_t> Dataset::Add(const DatasetSegment& segment) {
  int id = 0;
  TRUCE_RETURN_IF_ERROR(Guard("adding a segment", [&] {
    soci::transaction transaction(*sql_);
    *sql_ << StrCat("INSERT INTO segments (meeting, begin, end, seconds, steal_ratio, other_cores) VALUES (",
                    segment.meeting, ", ", Time(segment.begin), ", ", Time(segment.end), ", ", Number(segment.seconds),
                    ", ", Number(segment.steal_ratio), ", ", Number(segment.other_cores), ")");
    *sql_ << "SELECT last_insert_rowid()", soci::into(id);
    for (const DatasetMember& member : segment.members) {
      *sql_ << StrCat("INSERT INTO members VALUES (", id, ", ", member.life, ", ", Number(member.operations), ", ",
                      Number(member.busy_seconds), ", ", Number(member.spread_ratio), ")");
    }
    transaction.commit();
  }));
  return id;
}

absl::StatusOr<int64_t> Dataset::NewMeeting() {
  int newest = 0;
  TRUCE_RETURN_IF_ERROR(Guard("reading what was measured", [&] {
    soci::indicator indicator = soci::i_null;
    *sql_ << "SELECT meeting FROM segments ORDER BY meeting DESC LIMIT 1", soci::into(newest, indicator);
    if (!sql_->got_data() || indicator == soci::i_null) newest = 0;
  }));
  return newest + 1;
}

absl::StatusOr<std::map<std::string, int>> Dataset::PairVisits() {
  std::map<std::string, int> visits;
  TRUCE_RETURN_IF_ERROR(Guard("reading what was measured", [&] {
    soci::rowset<soci::row> rows =
        (sql_->prepare
         << "SELECT a.program, b.program, COUNT(DISTINCT s.meeting) FROM members m JOIN members n ON m.segment = "
            "n.segment AND m.life < n.life JOIN segments s ON s.id = m.segment JOIN lives a ON a.id = m.life JOIN "
            "lives b "
            "ON b.id = n.life GROUP BY 1, 2");
    for (const auto& row : rows) {
      // An expression has no declared type, so SOCI hands it out as text.
      int count = 0;
      if (!absl::SimpleAtoi(row.get<std::string>(2), &count)) continue;
      visits[PairKey(row.get<std::string>(0), row.get<std::string>(1))] += count;
    }
  }));
  return visits;
}

}  // namespace truce::lab
