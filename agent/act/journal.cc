#include "agent/act/journal.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <tuple>

#include "absl/strings/numbers.h"
#include "agent/act/journal_record.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

constexpr std::string_view kHeader = "truce-journal";
constexpr std::string_view kFormat = "1";

std::optional<host::Controller> ControllerOf(std::string_view name) {
  for (size_t i = 0; i < host::kControllerCount; ++i) {
    const auto controller = static_cast<host::Controller>(i);
    if (host::ControllerName(controller) == name) return controller;
  }
  return std::nullopt;
}

std::string EncodeLease(const std::string& owner, const std::string& held_action) {
  return EncodeRecord({"lease", owner, held_action});
}

std::string EncodeIntent(const JournalEntry& entry) {
  return EncodeRecord({"intent", entry.owner, std::string(host::ControllerName(entry.controller)), entry.path,
                       entry.file, StrCat(entry.inode), entry.original});
}

std::string EncodeDone(const JournalEntry& entry) {
  return EncodeRecord({"done", std::string(host::ControllerName(entry.controller)), entry.path, entry.file});
}

}  // namespace

std::string ReadBootId() {
  auto id = host::ReadFile("/proc/sys/kernel/random/boot_id");
  if (!id.ok()) return "";
  return id->substr(0, id->find('\n'));
}

Journal::Journal(std::string directory, std::string boot_id, Disk& disk)
    : directory_(std::move(directory)),
      boot_id_(std::move(boot_id)),
      file_(directory_, "journal", "the journal", "no action is taken without it; free some space", disk,
            [this] { return Snapshot(); }) {}

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(const std::string& directory, const std::string& boot_id,
                                                       Disk& disk) {
  std::unique_ptr<Journal> journal(new Journal(directory, boot_id, disk));
  TRUCE_RETURN_IF_ERROR(journal->Lock());
  TRUCE_RETURN_IF_ERROR(journal->Load());
  return journal;
}

absl::Status Journal::Lock() {
  const std::filesystem::path directory(directory_);
  std::error_code error;
  std::filesystem::create_directories(directory.parent_path(), error);
  if (mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, StrCat("making the state directory ", directory_,
                                     " (the agent needs to write there; see state_directory)"));
  }
  const std::string name = directory_ + "/lock";
  lock_.reset(open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_.valid()) return ErrnoStatus(errno, StrCat("opening ", name, " (the agent needs to write there)"));
  if (flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  if (errno != EWOULDBLOCK) return ErrnoStatus(errno, StrCat("locking ", name));
  return absl::FailedPreconditionError(
      StrCat("another process holds ", name, ": an agent or a restore is running on this host; stop it first"));
}

absl::Status Journal::Load() {
  bool other_boot = false;
  TRUCE_RETURN_IF_ERROR(
      file_.Load([&](const std::vector<std::string>& fields) { return Replay(fields, &other_boot); }));
  if (other_boot) {
    // Nothing is wrong: the cgroups went away with the boot, and so did what was changed in them.
    if (!entries_.empty()) {
      spdlog::info("{} is of an earlier boot; its {} files went away with their cgroups", file_.path(),
                   entries_.size());
    }
    entries_.clear();
    held_actions_.clear();
    file_.MarkStale();
  }
  return absl::OkStatus();
}

absl::Status Journal::Replay(const std::vector<std::string>& fields, bool* other_boot) {
  const std::string& kind = fields[0];
  if (kind == kHeader && fields.size() == 3) {
    if (fields[1] != kFormat) return absl::DataLossError(StrCat("journal format ", fields[1], " is not known"));
    *other_boot = !boot_id_.empty() && !fields[2].empty() && fields[2] != boot_id_;
    return absl::OkStatus();
  }
  if (kind == "lease" && fields.size() == 3) {
    held_actions_[fields[1]] = fields[2];
    return absl::OkStatus();
  }
  if (kind == "intent" && fields.size() == 7) {
    JournalEntry entry{.owner = fields[1], .path = fields[3], .file = fields[4], .original = fields[6]};
    const auto controller = ControllerOf(fields[2]);
    if (!controller || !absl::SimpleAtoi(fields[5], &entry.inode))
      return absl::DataLossError("the intent makes no sense");
    entry.controller = *controller;
    entry.sequence = next_sequence_++;
    entries_[KeyOf(entry)] = std::move(entry);
    return absl::OkStatus();
  }
  if (kind == "done" && fields.size() == 4) {
    const auto controller = ControllerOf(fields[1]);
    if (!controller) return absl::DataLossError("the done record names no controller");
    entries_.erase({*controller, fields[2], fields[3]});
    return absl::OkStatus();
  }
  return absl::DataLossError(StrCat("record kind '", kind, "' is not known"));
}

std::string Journal::Snapshot() const {
  std::string text = EncodeRecord({std::string(kHeader), std::string(kFormat), boot_id_});
  for (const auto& [owner, held_action] : held_actions_) text += EncodeLease(owner, held_action);
  for (const JournalEntry& entry : Outstanding()) text += EncodeIntent(entry);
  return text;
}

absl::Status Journal::Record(const std::string& owner, const std::string& held_action,
                             std::vector<JournalEntry> intents) {
  std::string bytes = EncodeLease(owner, held_action);
  for (JournalEntry& entry : intents) {
    entry.owner = owner;
    bytes += EncodeIntent(entry);
  }
  // A lease alone protects nothing, so it need not wait for the disk.
  TRUCE_RETURN_IF_ERROR(file_.Append(bytes, /*sync=*/!intents.empty()));
  held_actions_[owner] = held_action;
  for (JournalEntry& entry : intents) {
    entry.sequence = next_sequence_++;
    Key key = KeyOf(entry);
    entries_.insert_or_assign(std::move(key), std::move(entry));
  }
  return absl::OkStatus();
}

void Journal::ForgetIdleOwners() {
  std::erase_if(held_actions_, [this](const auto& held) {
    return std::none_of(entries_.begin(), entries_.end(),
                        [&](const auto& entry) { return entry.second.owner == held.first; });
  });
}

void Journal::Close(const std::vector<JournalEntry>& entries) {
  std::string bytes;
  for (const JournalEntry& entry : entries) {
    if (entries_.erase(KeyOf(entry)) > 0) bytes += EncodeDone(entry);
  }
  ForgetIdleOwners();
  if (bytes.empty()) return;
  // A done record that is lost costs nothing but a second restore; so it is not synced either.
  if (entries_.empty() || !file_.Append(bytes, /*sync=*/false).ok()) file_.MarkStale();
  (void)Flush();
}

const JournalEntry* Journal::Find(host::Controller controller, std::string_view path, std::string_view file) const {
  const auto found = entries_.find({controller, std::string(path), std::string(file)});
  return found == entries_.end() ? nullptr : &found->second;
}

std::vector<JournalEntry> Journal::Outstanding() const {
  std::vector<JournalEntry> outstanding;
  for (const auto& [key, entry] : entries_) outstanding.push_back(entry);
  std::sort(outstanding.begin(), outstanding.end(),
            [](const JournalEntry& a, const JournalEntry& b) { return a.sequence < b.sequence; });
  return outstanding;
}

std::vector<JournalEntry> Journal::OutstandingOf(std::string_view owner) const {
  std::vector<JournalEntry> outstanding = Outstanding();
  std::erase_if(outstanding, [owner](const JournalEntry& entry) { return entry.owner != owner; });
  return outstanding;
}

const std::string* Journal::HeldActionOf(std::string_view owner) const {
  const auto found = held_actions_.find(owner);
  return found == held_actions_.end() ? nullptr : &found->second;
}

}  // namespace truce::agent
