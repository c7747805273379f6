#include "agent/act/migrate/move_journal.h"

#include <spdlog/spdlog.h>

#include <array>
#include <filesystem>
#include <optional>
#include <random>
#include <system_error>
#include <utility>

#include "absl/strings/str_format.h"
#include "agent/act/journal_record.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

constexpr std::string_view kHeader = "truce-migrations";
constexpr std::string_view kFormat = "1";

// The words of the stages that are journalled. They stay as they are: other versions read them.
constexpr std::array<std::pair<MoveStage, std::string_view>, 10> kWords = {{{MoveStage::kReserving, "reserving"},
                                                                            {MoveStage::kReserved, "reserved"},
                                                                            {MoveStage::kArrived, "arrived"},
                                                                            {MoveStage::kSettled, "settled"},
                                                                            {MoveStage::kDropped, "dropped"},
                                                                            {MoveStage::kMoving, "moving"},
                                                                            {MoveStage::kMoved, "moved"},
                                                                            {MoveStage::kStayed, "stayed"},
                                                                            {MoveStage::kResumed, "resumed"},
                                                                            {MoveStage::kLeft, "left"}}};

std::optional<std::string_view> WordOf(MoveStage stage) {
  for (const auto& [known, word] : kWords) {
    if (known == stage) return word;
  }
  return std::nullopt;
}

std::optional<MoveStage> StageOf(std::string_view word) {
  for (const auto& [stage, known] : kWords) {
    if (known == word) return stage;
  }
  return std::nullopt;
}

std::string Header() {
  return EncodeRecord({std::string(kHeader), std::string(kFormat)});
}

std::string Encode(const MoveRecord& record, std::string_view word) {
  return EncodeRecord({"migration", record.order.migration_id(), std::string(word), record.memory,
                       record.order.SerializeAsString(), record.status.SerializeAsString()});
}

}  // namespace

MoveJournal::MoveJournal(const std::string& directory, Disk& disk)
    : directory_(directory),
      file_(directory, "migrations", "the journal of migrations", "nothing is migrated without it; free some space",
            disk, [this] { return Snapshot(); }) {}

absl::StatusOr<std::unique_ptr<MoveJournal>> MoveJournal::Open(const std::string& directory, Disk& disk) {
  std::unique_ptr<MoveJournal> journal(new MoveJournal(directory, disk));
  const absl::Status loaded =
      journal->file_.Load([&journal](const std::vector<std::string>& fields) { return journal->Replay(fields); });
  if (!loaded.ok()) return loaded;
  if (!journal->problems().empty()) journal->name_.clear();
  return journal;
}

void MoveJournal::EnsureName() {
  if (!name_.empty()) return;
  std::random_device random;
  name_ = absl::StrFormat("%08x%08x%08x%08x", random(), random(), random(), random());
  std::error_code error;
  std::filesystem::create_directories(directory_, error);  // what is wrong, the file tells
  file_.MarkStale();
  if (absl::Status status = file_.Flush(/*empty=*/false); !status.ok()) {
    spdlog::warn("{}; until it is, this host can't tell what it never began", StdView(status.message()));
    name_.clear();
  }
}

absl::Status MoveJournal::Replay(const std::vector<std::string>& fields) {
  const std::string& kind = fields[0];
  if (kind == kHeader && fields.size() == 2) {
    if (fields[1] == kFormat) return absl::OkStatus();
    return absl::DataLossError(StrCat("format ", fields[1], " is not known"));
  }
  if (kind == "journal" && fields.size() == 2) {
    name_ = fields[1];
    return absl::OkStatus();
  }
  if (kind == "over" && fields.size() == 2) {
    records_.erase(fields[1]);
    return absl::OkStatus();
  }
  if (kind != "migration" || fields.size() != 6) {
    return absl::DataLossError(StrCat("record kind '", kind, "' is not known"));
  }
  MoveRecord record{.memory = fields[3]};
  const auto stage = StageOf(fields[2]);
  if (!stage || !record.order.ParseFromString(fields[4]) || !record.status.ParseFromString(fields[5]) ||
      record.order.migration_id() != fields[1]) {
    return absl::DataLossError("the migration makes no sense");
  }
  record.stage = *stage;
  records_[fields[1]] = std::move(record);
  return absl::OkStatus();
}

std::string MoveJournal::Snapshot() const {
  std::string text = Header();
  if (!name_.empty()) text += EncodeRecord({"journal", name_});
  for (const auto& [id, record] : records_) text += Encode(record, *WordOf(record.stage));
  return text;
}

absl::Status MoveJournal::Record(const MoveRecord& record) {
  const auto word = WordOf(record.stage);
  if (!word) return absl::InternalError("a migration that was not begun has no record");
  std::error_code error;
  std::filesystem::create_directories(directory_, error);  // what is wrong, the file tells
  const absl::Status status = file_.Append(Encode(record, *word), /*sync=*/true);
  if (status.ok()) records_[record.order.migration_id()] = record;
  return status;
}

void MoveJournal::Forget(const std::string& migration_id) {
  if (records_.erase(migration_id) == 0) return;
  if (records_.empty() || !file_.Append(EncodeRecord({"over", migration_id}), /*sync=*/false).ok()) file_.MarkStale();
  (void)file_.Flush(/*empty=*/records_.empty() && name_.empty());
}

}  // namespace truce::agent
