// How groups of resctrl are made, removed and written to: a seam, because no plain directory fills a new group with
// files or moves a task from one to another. Reading needs none.
#pragma once

#include <string>
#include <string_view>

namespace truce::host {

// Each returns 0 or an errno.
class ResctrlFiles {
 public:
  virtual ~ResctrlFiles() = default;
  virtual int MakeGroup(const std::string& path);
  // The kernel puts the tasks of the group back into the default one.
  virtual int RemoveGroup(const std::string& path);
  // One write(2) to a file that is there.
  virtual int Write(const std::string& path, std::string_view text);
};

// Those of this host. Lives as long as the process.
ResctrlFiles& SystemResctrlFiles();

}  // namespace truce::host
