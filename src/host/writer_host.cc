#include "src/host/writer_host.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <optional>

#include "absl/strings/numbers.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::host {

absl::StatusOr<std::string> HostControlWriter::Read(const ControlFile& control) {
  if (control.file != kNetworkCap) return files_.Read(control);
  if (traffic_ == nullptr) return absl::NotFoundError(StrCat("there is no ", control.Name(), " on this host"));
  TRUCE_ASSIGN_OR_RETURN(const std::optional<uint64_t> cap, traffic_->Cap(*control.cgroup));
  return cap ? StrCat(*cap, "\n") : std::string("max\n");
}

absl::Status HostControlWriter::Write(const ControlFile& control, std::string_view value) {
  if (control.file != kNetworkCap) return files_.Write(control, value);
  TRUCE_ASSIGN_OR_RETURN(const std::string before, Read(control));
  const std::string_view wanted = TrimControl(value);
  if (TrimControl(before) == wanted) return absl::OkStatus();
  std::optional<uint64_t> cap;
  uint64_t number = 0;
  if (wanted != "max") {
    if (!absl::SimpleAtoi(AbslView(wanted), &number) || number == 0) return ControlWriteError(EINVAL, control, value);
    cap = number;
  }
  TRUCE_RETURN_IF_ERROR(traffic_->SetCap(*control.cgroup, cap));
  spdlog::info("control {}: '{}' -> '{}'", control.Name(), TrimControl(before), wanted);
  return absl::OkStatus();
}

}  // namespace truce::host
