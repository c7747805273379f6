// A disk for tests: full, cut short, or with a hook before and after each system call (and in the middle of each write)
// at which a test can kill the process.
#pragma once

#include <cerrno>
#include <functional>
#include <string>
#include <string_view>

#include "agent/act/disk.h"

namespace truce::agent {

class FaultyDisk final : public Disk {
 public:
  enum class Call { kNone, kOpen, kWrite, kSync, kTruncate, kRename };

  // Every call of this kind fails with `error` from now on; kNone ends that.
  void Fail(Call call, int error) {
    failing_ = call;
    error_ = error;
  }
  // Writes take only so many bytes, as on a disk that becomes full in the middle.
  void CutWritesAt(size_t bytes) { cut_at_ = bytes; }
  void SetHook(std::function<void(std::string_view step)> hook) { hook_ = std::move(hook); }

  int Open(const std::string& path, int flags) override {
    if (Fails(Call::kOpen)) return -1;
    return Stepped("open", [&] { return Disk::Open(path, flags); });
  }
  ssize_t Write(int fd, std::string_view bytes) override {
    if (Fails(Call::kWrite)) return -1;
    if (bytes.size() > cut_at_) return Disk::Write(fd, bytes.substr(0, cut_at_));
    if (!hook_) return Disk::Write(fd, bytes);
    hook_("before write");
    const ssize_t first = Disk::Write(fd, bytes.substr(0, bytes.size() / 2));
    hook_("middle of write");
    const ssize_t second = Disk::Write(fd, bytes.substr(bytes.size() / 2));
    hook_("after write");
    return first < 0 || second < 0 ? -1 : first + second;
  }
  int Sync(int fd) override {
    if (Fails(Call::kSync)) return -1;
    return Stepped("sync", [&] { return Disk::Sync(fd); });
  }
  int Truncate(int fd, off_t size) override {
    if (Fails(Call::kTruncate)) return -1;
    return Stepped("truncate", [&] { return Disk::Truncate(fd, size); });
  }
  int Rename(const std::string& from, const std::string& to) override {
    if (Fails(Call::kRename)) return -1;
    return Stepped("rename", [&] { return Disk::Rename(from, to); });
  }

 private:
  bool Fails(Call call) {
    if (call != failing_) return false;
    errno = error_;
    return true;
  }
  template <typename F>
  int Stepped(const char* what, F&& call) {
    if (hook_) hook_(std::string("before ") + what);
    const int result = call();
    const int error = errno;
    if (hook_) hook_(std::string("after ") + what);
    errno = error;
    return result;
  }

  Call failing_ = Call::kNone;
  int error_ = 0;
  size_t cut_at_ = static_cast<size_t>(-1);
  std::function<void(std::string_view)> hook_;
};

}  // namespace truce::agent
