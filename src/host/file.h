// Reading small kernel files: file descriptors that close themselves, a reusable buffer, and parsers of the few formats
// that /proc, /sys and cgroupfs use. Everything here is called once a second per workload, so nothing allocates.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace truce::host {

// Owns a file descriptor.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { reset(); }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// Grows to the largest file seen and stays there.
class ReadBuffer {
 public:
  ReadBuffer() : data_(4096) {}
  std::vector<char>& data() { return data_; }

 private:
  std::vector<char> data_;
};

// Whole content of an open file from its beginning (pread). The view lives until the buffer's next use.
absl::StatusOr<std::string_view> ReadWhole(int fd, ReadBuffer& buffer, std::string_view name_for_errors);
// The same for a path (relative to `directory_fd`, or absolute with AT_FDCWD).
absl::StatusOr<std::string_view> ReadWholeAt(int directory_fd, const char* path, ReadBuffer& buffer);
// Convenience for files read once.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// Value of "key value" among lines, as in cpu.stat. nullopt when the key is not there.
std::optional<uint64_t> FlatKeyed(std::string_view text, std::string_view key);
// First number of the text; nullopt when it does not start with one ("max").
std::optional<int64_t> FirstNumber(std::string_view text);
// Calls `line(view)` for each line.
template <typename F>
void ForEachLine(std::string_view text, F&& line) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    line(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
}
// Cuts the next blank-separated word off the front of *text; empty at the end.
std::string_view NextWord(std::string_view* text);

// CPU lists as the kernel writes them: "0-3,8". An empty text is an empty list.
absl::StatusOr<std::vector<int>> ParseCpuList(std::string_view text);
std::string FormatCpuList(const std::vector<int>& cpus);

// "some" and "full" total stall times of a PSI file, in microseconds; full is missing for cpu on old kernels.
struct PressureTotals {
  std::optional<uint64_t> some_us;
  std::optional<uint64_t> full_us;
};
PressureTotals ParsePressure(std::string_view text);

}  // namespace truce::host
