#include "agent/act/record_file.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/statusor.h"
#include "agent/act/journal_record.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::agent {

RecordFile::RecordFile(std::string directory, std::string_view name, std::string what, std::string remedy, Disk& disk,
                       Snapshot snapshot)
    : directory_(std::move(directory)),
      path_(StrCat(directory_, "/", name)),
      what_(std::move(what)),
      remedy_(std::move(remedy)),
      disk_(disk),
      snapshot_(std::move(snapshot)) {}

absl::Status RecordFile::Load(const Replay& replay) {
  auto text = host::ReadFile(path_);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  if (!text.ok()) return WithContext(text.status(), StrCat("reading ", what_));
  std::string_view rest = *text;
  for (int line_number = 1; !rest.empty(); ++line_number) {
    const size_t end = rest.find('\n');
    // Without a newline the run was stopped while it wrote the line; so its sync never ended and nothing was changed.
    if (end == std::string_view::npos) break;
    auto fields = DecodeRecord(rest.substr(0, end));
    const absl::Status status = fields.ok() ? replay(*fields) : fields.status();
    if (!status.ok()) {
      stale_ = true;
      problems_.push_back(StrCat(path_, ":", line_number, ": ", StdView(status.message()),
                                 "; what the line said is lost, the other lines are used"));
    }
    rest.remove_prefix(end + 1);
  }
  torn_ = !rest.empty();
  size_ = static_cast<off_t>(text->size() - rest.size());
  if (stale_) {
    // Kept for whoever wants to know what the lost line said; the file itself is rewritten.
    std::error_code error;
    std::filesystem::copy_file(path_, path_ + ".broken", std::filesystem::copy_options::overwrite_existing, error);
    if (!error) problems_.push_back(StrCat("the broken file was kept as ", path_, ".broken"));
  }
  return absl::OkStatus();
}

absl::Status RecordFile::DiskError(std::string_view doing) const {
  return ErrnoStatus(errno, StrCat(doing, " ", what_, " ", path_, " (", remedy_, ")"));
}

// Leaves the file as it was when it fails: what is not wholly on disk is cut off again.
absl::Status RecordFile::Append(std::string_view lines, bool sync) {
  if (stale_ || size_ == 0 || size_ > compact_at_) TRUCE_RETURN_IF_ERROR(Rewrite());
  if (!fd_.valid()) fd_.reset(disk_.Open(path_, O_WRONLY | O_APPEND));
  if (!fd_.valid()) return DiskError("opening");
  if (torn_ && disk_.Truncate(fd_.get(), size_) != 0) return DiskError("repairing");
  torn_ = true;
  const ssize_t count = disk_.Write(fd_.get(), lines);
  absl::Status status;
  if (count < 0) {
    status = DiskError("writing");
  } else if (static_cast<size_t>(count) != lines.size()) {
    errno = ENOSPC;
    status = DiskError("writing");
  } else if (sync && disk_.Sync(fd_.get()) != 0) {
    status = DiskError("syncing");
  }
  if (!status.ok()) {
    torn_ = disk_.Truncate(fd_.get(), size_) != 0;
    return status;
  }
  size_ += count;
  torn_ = false;
  return absl::OkStatus();
}

// Puts a file with just the snapshot in the old one's place, in one step as seen by whoever opens it next.
absl::Status RecordFile::Rewrite() {
  const std::string temporary = path_ + ".new";
  const std::string text = snapshot_();
  host::UniqueFd fresh(disk_.Open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND));
  if (!fresh.valid()) return DiskError("making");
  const ssize_t count = disk_.Write(fresh.get(), text);
  if (count >= 0 && static_cast<size_t>(count) != text.size()) errno = ENOSPC;
  if (count != static_cast<ssize_t>(text.size())) return DiskError("writing");
  if (disk_.Sync(fresh.get()) != 0) return DiskError("syncing");
  if (disk_.Rename(temporary, path_) != 0) return DiskError("renaming");
  fd_ = std::move(fresh);
  size_ = count;
  torn_ = false;
  compact_at_ = std::max(kCompactBytes, 2 * size_);
  // Without this a power failure could bring the old directory entry back.
  stale_ = true;
  host::UniqueFd directory(disk_.Open(directory_, O_RDONLY | O_DIRECTORY));
  if (!directory.valid() || disk_.Sync(directory.get()) != 0) return DiskError("syncing the directory of");
  stale_ = false;
  return absl::OkStatus();
}

absl::Status RecordFile::Flush(bool empty) {
  if (!stale_) return absl::OkStatus();
  const absl::Status status = Rewrite();
  if (status.ok() || !empty) return status;
  // A full disk has no room for a new file, yet an empty one needs none.
  if (!fd_.valid()) fd_.reset(disk_.Open(path_, O_WRONLY | O_APPEND));
  if (!fd_.valid() || disk_.Truncate(fd_.get(), 0) != 0) return status;
  size_ = 0;
  torn_ = false;
  stale_ = false;
  return absl::OkStatus();
}

}  // namespace truce::agent
