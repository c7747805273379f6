#include "src/host/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "absl/strings/numbers.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::host {
namespace {

// No kernel has more CPUs; a list that repeats itself beyond that is nonsense from the wire.
constexpr int kLastCpu = 65535;
// Lists (cgroup.threads, maps) come a page at a time, each read short of the page by less than one line of this length.
constexpr size_t kPage = 4096;
constexpr size_t kLongestListLine = 512;

}  // namespace

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

absl::StatusOr<std::string_view> ReadWhole(int fd, ReadBuffer& buffer, std::string_view name_for_errors) {
  std::vector<char>& data = buffer.data();
  size_t size = 0;
  while (true) {
    if (size == data.size()) data.resize(data.size() * 2);
    const size_t room = data.size() - size;
    const ssize_t count = pread(fd, data.data() + size, room, static_cast<off_t>(size));
    if (count < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, StrCat("reading ", name_for_errors));
    }
    size += static_cast<size_t>(count);
    // A kernel file whose read came back short is at its end, and asking again would format it a second time; unless it
    // is a list that the kernel hands over page by page. Regular files behave as the former.
    const auto got = static_cast<size_t>(count);
    if (got == 0 || (got < room && got + kLongestListLine < kPage)) return std::string_view(data.data(), size);
  }
}

absl::StatusOr<std::string_view> ReadWholeAt(int directory_fd, const char* path, ReadBuffer& buffer) {
  UniqueFd fd(openat(directory_fd, path, O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, StrCat("opening ", path));
  // /proc files of a process may return less than a page per read, so read those until the end is seen.
  std::vector<char>& data = buffer.data();
  size_t size = 0;
  while (true) {
    if (size == data.size()) data.resize(data.size() * 2);
    const ssize_t count = read(fd.get(), data.data() + size, data.size() - size);
    if (count < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, StrCat("reading ", path));
    }
    if (count == 0) return std::string_view(data.data(), size);
    size += static_cast<size_t>(count);
  }
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  ReadBuffer buffer;
  TRUCE_ASSIGN_OR_RETURN(std::string_view text, ReadWholeAt(AT_FDCWD, path.c_str(), buffer));
  return std::string(text);
}

std::optional<uint64_t> FlatKeyed(std::string_view text, std::string_view key) {
  size_t position = 0;
  while ((position = text.find(key, position)) != std::string_view::npos) {
    const size_t after = position + key.size();
    const bool starts_line = position == 0 || text[position - 1] == '\n';
    if (starts_line && after < text.size() && text[after] == ' ') {
      uint64_t value = 0;
      const char* begin = text.data() + after + 1;
      const auto result = std::from_chars(begin, text.data() + text.size(), value);
      if (result.ec == std::errc() && result.ptr != begin) return value;
      return std::nullopt;
    }
    position = after;
  }
  return std::nullopt;
}

std::optional<int64_t> FirstNumber(std::string_view text) {
  int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc()) return std::nullopt;
  return value;
}

std::string_view NextWord(std::string_view* text) {
  const size_t begin = text->find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) {
    *text = {};
    return {};
  }
  text->remove_prefix(begin);
  const size_t end = std::min(text->find_first_of(" \t\n"), text->size());
  const std::string_view word = text->substr(0, end);
  text->remove_prefix(end);
  return word;
}

absl::StatusOr<std::vector<int>> ParseCpuList(std::string_view text) {
  std::vector<int> cpus;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  const std::string_view whole = text;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    const size_t dash = part.find('-');
    int first = 0;
    int last = 0;
    const bool good = absl::SimpleAtoi(AbslView(part.substr(0, dash)), &first) &&
                      (dash == std::string_view::npos ? (last = first, true)
                                                      : absl::SimpleAtoi(AbslView(part.substr(dash + 1)), &last));
    if (!good || first < 0 || last < first || last > kLastCpu || cpus.size() > static_cast<size_t>(kLastCpu)) {
      return absl::InvalidArgumentError(StrCat("'", whole, "' is not a CPU list such as 0-3,8"));
    }
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  }
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  return cpus;
}

std::string FormatCpuList(const std::vector<int>& cpus) {
  std::string text;
  for (size_t i = 0; i < cpus.size();) {
    size_t end = i;
    while (end + 1 < cpus.size() && cpus[end + 1] == cpus[end] + 1) ++end;
    StrAppend(&text, text.empty() ? "" : ",", cpus[i]);
    if (end > i) StrAppend(&text, "-", cpus[end]);
    i = end + 1;
  }
  return text;
}

PressureTotals ParsePressure(std::string_view text) {
  PressureTotals totals;
  ForEachLine(text, [&](std::string_view line) {
    const size_t at = line.find("total=");
    if (at == std::string_view::npos) return;
    uint64_t value = 0;
    const std::string_view number = line.substr(at + 6);
    if (std::from_chars(number.data(), number.data() + number.size(), value).ec != std::errc()) return;
    if (line.starts_with("some")) totals.some_us = value;
    if (line.starts_with("full")) totals.full_us = value;
  });
  return totals;
}

}  // namespace truce::host
