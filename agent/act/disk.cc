#include "agent/act/disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace truce::agent {

int Disk::Open(const std::string& path, int flags) {
  return open(path.c_str(), flags | O_CLOEXEC, 0600);
}

ssize_t Disk::Write(int fd, std::string_view bytes) {
  ssize_t count = 0;
  do {
    count = write(fd, bytes.data(), bytes.size());
  } while (count < 0 && errno == EINTR);
  return count;
}

int Disk::Sync(int fd) {
  return fsync(fd);
}

int Disk::Truncate(int fd, off_t size) {
  return ftruncate(fd, size);
}

int Disk::Rename(const std::string& from, const std::string& to) {
  return rename(from.c_str(), to.c_str());
}

Disk& SystemDisk() {
  static Disk disk;
  return disk;
}

}  // namespace truce::agent
