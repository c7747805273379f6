#include "src/host/writer_faulty.h"

#include "src/base/text.h"
#include "src/host/writer_cgroup.h"

namespace truce::host {

void FaultyControlWriter::FailFile(std::string_view suffix, int error) {
  if (error == 0) {
    failing_files_.erase(std::string(suffix));
  } else {
    failing_files_[std::string(suffix)] = error;
  }
}

void FaultyControlWriter::Step(std::string_view when, const ControlFile& control) {
  if (hook_) hook_(StrCat(when, " write ", control.Name()));
}

absl::Status FaultyControlWriter::Write(const ControlFile& control, std::string_view value) {
  ++writes_;
  if (const auto failure = failures_.find(writes_); failure != failures_.end()) {
    const int error = failure->second;
    failures_.erase(failure);
    return ControlWriteError(error, control, value);
  }
  const std::string name = control.Name();
  for (const auto& [suffix, error] : failing_files_) {
    if (name.ends_with(suffix)) return ControlWriteError(error, control, value);
  }
  if (refused_.error != 0 && name.ends_with(refused_.suffix) && TrimControl(value) == refused_.value) {
    return ControlWriteError(refused_.error, control, value);
  }
  Step("before", control);
  absl::Status status = inner_.Write(control, value);
  Step("after", control);
  return status;
}

}  // namespace truce::host
