// The journal's door to the disk: the few system calls it makes, one virtual function each, so that tests can make a
// disk full, cut a write short or stop the process between any two of them.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace truce::agent {

// Real system calls. Each returns what the system call returns and leaves errno set.
class Disk {
 public:
  virtual ~Disk() = default;
  // open(2) with O_CLOEXEC and mode 0600.
  virtual int Open(const std::string& path, int flags);
  virtual ssize_t Write(int fd, std::string_view bytes);
  // fsync(2), of a file or a directory.
  virtual int Sync(int fd);
  virtual int Truncate(int fd, off_t size);
  virtual int Rename(const std::string& from, const std::string& to);
};

// The real one: stateless, thread-safe, lives as long as the process.
Disk& SystemDisk();

}  // namespace truce::agent
