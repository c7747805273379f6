#include "src/host/resctrl_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "src/host/file.h"

namespace truce::host {

int ResctrlFiles::MakeGroup(const std::string& path) {
  return mkdir(path.c_str(), 0755) == 0 ? 0 : errno;
}

int ResctrlFiles::RemoveGroup(const std::string& path) {
  return rmdir(path.c_str()) == 0 ? 0 : errno;
}

int ResctrlFiles::Write(const std::string& path, std::string_view text) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return errno;
  ssize_t count = 0;
  do {
    count = write(fd.get(), text.data(), text.size());
  } while (count < 0 && errno == EINTR);
  return count < 0 ? errno : 0;
}

ResctrlFiles& SystemResctrlFiles() {
  static ResctrlFiles files;
  return files;
}

}  // namespace truce::host
