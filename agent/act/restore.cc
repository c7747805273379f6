#include "agent/act/restore.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>

#include "agent/act/actuator.h"
#include "agent/act/lever.h"
#include "agent/act/write_back.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "src/host/writer_cgroup.h"
#include "src/host/writer_nested.h"

namespace truce::agent {
namespace {

using Result = RestoredFile::Result;

constexpr char kCpus[] = "cpuset.cpus";

void Order(std::vector<JournalEntry>* entries) {
  auto depth = [](const JournalEntry& entry) { return std::count(entry.path.begin(), entry.path.end(), '/'); };
  std::sort(entries->begin(), entries->end(), [&](const JournalEntry& a, const JournalEntry& b) {
    const bool cpuset_a = a.controller == host::Controller::kCpuset;
    const bool cpuset_b = b.controller == host::Controller::kCpuset;
    if (cpuset_a != cpuset_b) return cpuset_b;  // the two kinds don't depend on each other
    if (cpuset_a && depth(a) != depth(b)) return depth(a) < depth(b);
    return a.sequence > b.sequence;
  });
}

// Cgroups that were made in a pinned v1 cgroup and inherited its pin, which would outlive it. They get the original of
// the nearest cgroup above that the journal holds: what they would have inherited without Truce.
std::vector<JournalEntry> Inherited(std::vector<JournalEntry> entries, const host::CgroupLayout& layout,
                                    host::ControlWriter& writer, const Journal& journal) {
  std::vector<JournalEntry> inherited;
  std::set<std::string> seen;
  Order(&entries);
  for (auto entry = entries.rbegin(); entry != entries.rend();
       ++entry) {  // the deepest first, so that it is the nearest
    if (entry->controller != host::Controller::kCpuset) continue;
    const auto cgroup = host::Cgroup::Open(layout, entry->path);
    if (!cgroup.ok() || (*cgroup)->version(entry->controller) != 1) continue;
    const host::ControlFile control{cgroup->get(), entry->controller, entry->file};
    const auto pinned = writer.Read(control);
    if (!pinned.ok() || host::SameControlValue(entry->file, *pinned, entry->original)) continue;
    const auto paths = host::NestedCgroups(**cgroup, entry->controller);
    if (!paths.ok()) continue;
    for (const std::string& path : *paths) {
      if (journal.Find(entry->controller, path, entry->file) != nullptr || !seen.insert(path).second) continue;
      const auto nested = host::Cgroup::Open(layout, path);
      if (!nested.ok()) continue;
      const host::ControlFile nested_control{nested->get(), entry->controller, entry->file};
      const auto content = writer.Read(nested_control);
      if (!content.ok() || !host::SameControlValue(entry->file, *content, *pinned)) continue;
      inherited.push_back({.owner = entry->owner,
                           .controller = entry->controller,
                           .path = path,
                           .file = entry->file,
                           .inode = host::ControlInode(nested_control),
                           .original = entry->original});
    }
  }
  return inherited;
}

// Journals them first, so that a restore that is stopped halfway knows them when it is run again. When the disk does
// not take that, they are restored all the same.
void AdoptInherited(const host::CgroupLayout& layout, host::ControlWriter& writer, Journal& journal,
                    std::vector<JournalEntry>* entries) {
  for (JournalEntry& entry : Inherited(*entries, layout, writer, journal)) {
    const std::string* held_action = journal.HeldActionOf(entry.owner);
    const std::string lease = held_action == nullptr ? "" : *held_action;
    const absl::Status status = journal.Record(entry.owner, lease, {entry});
    if (!status.ok()) spdlog::warn("restoring {}/{}: {}", entry.path, entry.file, StdView(status.message()));
    entries->push_back(std::move(entry));
  }
}

// A v1 kernel takes CPUs that went offline out of every cpuset and refuses them from then on: what it would have made
// of the original by itself.
absl::StatusOr<std::string> WithoutOfflineCpus(const JournalEntry& entry, const host::CgroupLayout& layout,
                                               host::ControlWriter& writer) {
  TRUCE_ASSIGN_OR_RETURN(const std::unique_ptr<host::Cgroup> root, host::Cgroup::Open(layout, ""));
  TRUCE_ASSIGN_OR_RETURN(const std::string all, writer.Read({root.get(), entry.controller, kCpus}));
  TRUCE_ASSIGN_OR_RETURN(const std::vector<int> online, host::ParseCpuList(host::TrimControl(all)));
  TRUCE_ASSIGN_OR_RETURN(std::vector<int> cpus, host::ParseCpuList(host::TrimControl(entry.original)));
  std::erase_if(cpus, [&](int cpu) { return !std::binary_search(online.begin(), online.end(), cpu); });
  if (cpus.empty()) cpus = online;
  return InFormOf(entry.original, host::FormatCpuList(cpus));
}

// What the cgroup that was changed says afterwards. NotFound when it is gone.
absl::StatusOr<std::string> RestoreThere(const JournalEntry& entry, const host::CgroupLayout& layout,
                                         host::ControlWriter& writer) {
  TRUCE_ASSIGN_OR_RETURN(const std::unique_ptr<host::Cgroup> cgroup, host::Cgroup::Open(layout, entry.path));
  const host::ControlFile control{cgroup.get(), entry.controller, entry.file};
  if (host::ControlInode(control) != entry.inode) return absl::NotFoundError("another cgroup has its name now");
  auto written = WriteBack(control, entry.original, writer);
  if (absl::IsInvalidArgument(written.status()) && entry.file == kCpus && cgroup->version(entry.controller) == 1) {
    TRUCE_ASSIGN_OR_RETURN(const std::string cpus, WithoutOfflineCpus(entry, layout, writer));
    TRUCE_RETURN_IF_ERROR(writer.Write(control, cpus));
    written = std::vector<std::string>{cpus};
  }
  if (!written.ok()) return written.status();
  TRUCE_ASSIGN_OR_RETURN(std::string content, writer.Read(control));
  for (const std::string& good : *written) {
    if (host::SameControlValue(entry.file, content, good)) return content;
  }
  return absl::InternalError(StrCat(control.Name(), " reads back as '", host::TrimControl(content), "' and not as '",
                                    host::TrimControl(written->front()), "'; it will be tried again"));
}

// NotFound when there is nothing left to restore.
absl::StatusOr<std::string> RestoreOne(const JournalEntry& entry, const host::CgroupLayout& layout,
                                       host::ControlWriter& writer) {
  auto content = RestoreThere(entry, layout, writer);
  if (absl::IsNotFound(content.status())) TRUCE_RETURN_IF_ERROR(ForgetGone(entry, layout, writer));
  return content;
}

}  // namespace

std::string EntryName(const JournalEntry& entry, const host::CgroupLayout& layout) {
  const auto hierarchy = layout.hierarchy_of(entry.controller);
  const std::string tree = hierarchy ? layout.hierarchies()[*hierarchy].directory : "";
  return StrCat(tree, tree.empty() ? "" : "/", entry.path, entry.path.empty() ? "" : "/", entry.file);
}

std::vector<RestoredFile> RestoreEntries(std::vector<JournalEntry> entries, const host::CgroupLayout& layout,
                                         host::ControlWriter& writer, Journal& journal) {
  AdoptInherited(layout, writer, journal, &entries);
  Order(&entries);
  std::vector<RestoredFile> files;
  std::vector<JournalEntry> closed;
  for (JournalEntry& entry : entries) {
    RestoredFile file;
    auto content = RestoreOne(entry, layout, writer);
    if (content.ok()) {
      file.result = Result::kRestored;
      file.content = *std::move(content);
    } else {
      file.result = absl::IsNotFound(content.status()) ? Result::kGone : Result::kFailed;
      file.status = content.status();
    }
    if (file.result != Result::kFailed) closed.push_back(entry);
    file.entry = std::move(entry);
    files.push_back(std::move(file));
  }
  journal.Close(closed);
  return files;
}

absl::StatusOr<int> RestoreFromJournalOn(Disk& disk, const std::string& state_directory,
                                         const host::CgroupLayout& layout,
                                         const std::function<host::ControlWriter&()>& writer) {
  struct stat status {};
  if (stat(state_directory.c_str(), &status) != 0 && errno == ENOENT) return 0;
  TRUCE_ASSIGN_OR_RETURN(const std::unique_ptr<Journal> journal, Journal::Open(state_directory, ReadBootId(), disk));
  int restored = 0;
  std::string failures;
  for (const RestoredFile& file : RestoreEntries(journal->Outstanding(), layout, writer(), *journal)) {
    if (file.result == Result::kRestored) ++restored;
    if (file.result == Result::kFailed) StrAppend(&failures, "; ", StdView(file.status.message()));
  }
  const absl::Status flushed = journal->Flush();
  if (!failures.empty()) {
    return absl::UnavailableError(StrCat("restored ", restored, " files, but not all; run it again", failures));
  }
  if (!journal->problems().empty()) {
    std::string message = StrCat("restored ", restored, " files, but the journal was damaged");
    for (const std::string& problem : journal->problems()) StrAppend(&message, "; ", problem);
    return absl::DataLossError(message);
  }
  if (!flushed.ok())
    return WithContext(flushed, StrCat("restored ", restored, " files, but the journal can't be emptied"));
  return restored;
}

absl::StatusOr<int> RestoreFromJournal(const std::string& state_directory, const host::CgroupLayout& layout,
                                       const std::function<host::ControlWriter&()>& writer) {
  return RestoreFromJournalOn(SystemDisk(), state_directory, layout, writer);
}

}  // namespace truce::agent
