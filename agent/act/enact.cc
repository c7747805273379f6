#include "agent/act/enact.h"

#include <algorithm>

#include "agent/act/write_back.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/writer_cgroup.h"

namespace truce::agent {
namespace {

JournalEntry EntryOf(const host::ControlFile& control, const std::string& original) {
  return {.controller = control.controller,
          .path = control.cgroup->path(),
          .file = control.file,
          .inode = host::ControlInode(control),
          .original = original};
}

// The files whose originals the journal does not hold yet.
absl::StatusOr<std::vector<JournalEntry>> NewIntents(const LeverPlan& plan, const std::string& owner,
                                                     Journal& journal) {
  std::vector<JournalEntry> intents;
  for (const PlannedFile& file : plan.files) {
    JournalEntry intent = EntryOf(file.control, file.original);
    if (intent.inode == 0) return absl::NotFoundError(StrCat(intent.path, " went away"));
    const JournalEntry* held = journal.Find(intent.controller, intent.path, intent.file);
    if (held != nullptr && held->inode != intent.inode) {
      // The cgroup that it was recorded for is gone, and its original with it.
      journal.Close({*held});
      held = nullptr;
    }
    if (held == nullptr) {
      intents.push_back(std::move(intent));
    } else if (held->owner != owner) {
      return absl::FailedPreconditionError(StrCat(file.control.Name(), " is held by another action, ", held->owner,
                                                  ", or still to be restored after it"));
    }
  }
  return intents;
}

absl::Status WriteAll(const LeverPlan& plan, host::ControlWriter& writer, std::vector<PlannedWrite>* undo) {
  for (const PlannedWrite& write : plan.writes) {
    TRUCE_ASSIGN_OR_RETURN(std::string before, writer.Read(write.control));
    // Undone after it, since the way back goes through the list from its end.
    for (const host::ControlFile& other : write.also_changes) {
      TRUCE_ASSIGN_OR_RETURN(std::string others, writer.Read(other));
      undo->push_back({other, std::move(others)});
    }
    // Before the write: even one that fails may have left something, as on a plain file that was truncated.
    undo->push_back({write.control, std::move(before)});
    TRUCE_RETURN_IF_ERROR(writer.Write(write.control, write.value));
  }
  return absl::OkStatus();
}

absl::Status Prove(const LeverPlan& plan, host::ControlWriter& writer) {
  for (const PlannedFile& file : plan.files) {
    if (file.follows) continue;
    TRUCE_ASSIGN_OR_RETURN(const std::string content, writer.Read(file.control));
    if (host::SameControlValue(file.control.file, content, file.wanted)) continue;
    return absl::InternalError(StrCat(file.control.Name(), " reads back as '", host::TrimControl(content), "' after '",
                                      host::TrimControl(file.wanted), "' was written; something else sets it too"));
  }
  return absl::OkStatus();
}

// Goes the way back step by step, since each step on the way was one that the kernel takes. Returns the reason for the
// refusal, and closes those of `intents` whose files are as they were.
absl::Status Undo(const absl::Status& cause, const std::vector<PlannedWrite>& undo, std::vector<JournalEntry> intents,
                  host::ControlWriter& writer, Journal& journal) {
  absl::Status reason = cause;
  for (auto step = undo.rbegin(); step != undo.rend(); ++step) {
    absl::Status status = WriteBack(step->control, step->value, writer).status();
    // What was asked of systemd outlives the cgroup.
    if (absl::IsNotFound(status))
      status = ForgetGone(EntryOf(step->control, step->value), step->control.cgroup->layout(), writer);
    if (status.ok()) continue;
    reason = absl::Status(reason.code(), AbslView(StrCat(StdView(reason.message()),
                                                         "; undoing it failed too: ", StdView(status.message()))));
    std::erase_if(intents, [&](const JournalEntry& intent) {
      return intent.controller == step->control.controller && intent.path == step->control.cgroup->path() &&
             intent.file == step->control.file;
    });
  }
  journal.Close(intents);
  return reason;
}

}  // namespace

absl::StatusOr<std::vector<EnactedFile>> Enact(const LeverPlan& plan, const std::string& owner,
                                               const std::string& held_action, host::ControlWriter& writer,
                                               Journal& journal) {
  TRUCE_ASSIGN_OR_RETURN(const std::vector<JournalEntry> intents, NewIntents(plan, owner, journal));
  TRUCE_RETURN_IF_ERROR(journal.Record(owner, held_action, intents));
  std::vector<PlannedWrite> undo;
  absl::Status status = WriteAll(plan, writer, &undo);
  if (status.ok()) status = Prove(plan, writer);
  if (!status.ok()) return Undo(status, undo, intents, writer, journal);

  std::vector<EnactedFile> files;
  for (const PlannedFile& file : plan.files) {
    files.push_back({file.control.Name(), host::ControlInode(file.control), file.original, file.wanted});
  }
  return files;
}

}  // namespace truce::agent
