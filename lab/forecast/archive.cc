#include "lab/forecast/archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <cerrno>
#include <filesystem>
#include <memory>

#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

constexpr size_t kBlockBytes = 1 << 16;
constexpr size_t kMostBytes = size_t{1} << 30;

struct CloseArchive {
  void operator()(archive* opened) const { archive_read_free(opened); }
};
using Archive = std::unique_ptr<archive, CloseArchive>;

absl::Status Damaged(const std::string& path, archive* opened) {
  const char* const why = archive_error_string(opened);
  return absl::DataLossError(StrCat("reading ", path, ": ", why == nullptr ? "it is damaged" : why));
}

absl::Status ReadContent(const std::string& path, archive* opened, std::string* content) {
  content->clear();
  while (true) {
    const size_t size = content->size();
    content->resize(size + kBlockBytes);
    const la_ssize_t count = archive_read_data(opened, content->data() + size, kBlockBytes);
    content->resize(size + (count > 0 ? static_cast<size_t>(count) : 0));
    if (count < 0) return Damaged(path, opened);
    if (count == 0) return absl::OkStatus();
    if (content->size() > kMostBytes) {
      return absl::ResourceExhaustedError(StrCat(path, " holds a file of more than 1 GiB; split it"));
    }
  }
}

}  // namespace

absl::Status ReadPacked(const std::string& path, const TakeFile& take) {
  const Archive opened(archive_read_new());
  archive_read_support_filter_gzip(opened.get());
  archive_read_support_filter_bzip2(opened.get());
  archive_read_support_filter_xz(opened.get());
  archive_read_support_filter_lzma(opened.get());
  archive_read_support_filter_zstd(opened.get());
  archive_read_support_format_tar(opened.get());
  archive_read_support_format_raw(opened.get());
  archive_read_support_format_empty(opened.get());
  if (archive_read_open_filename(opened.get(), path.c_str(), kBlockBytes) != ARCHIVE_OK) {
    const int error = archive_errno(opened.get());
    if (error == ENOENT || error == EACCES) return ErrnoStatus(error, StrCat("opening ", path));
    return Damaged(path, opened.get());
  }
  std::string content;
  archive_entry* entry = nullptr;
  int got = ARCHIVE_OK;
  while ((got = archive_read_next_header(opened.get(), &entry)) == ARCHIVE_OK) {
    const bool raw = archive_format(opened.get()) == ARCHIVE_FORMAT_RAW;
    if (!raw && archive_entry_filetype(entry) != AE_IFREG) continue;
    TRUCE_RETURN_IF_ERROR(ReadContent(path, opened.get(), &content));
    std::filesystem::path name = std::filesystem::path(raw ? path.c_str() : archive_entry_pathname(entry)).filename();
    if (raw && archive_filter_count(opened.get()) > 1) name = name.stem();
    TRUCE_RETURN_IF_ERROR(take(name.string(), content));
  }
  return got == ARCHIVE_EOF ? absl::OkStatus() : Damaged(path, opened.get());
}

}  // namespace truce::lab
