// The part of counters_events.h that asks libpfm4. Its header brings its own copy of the kernel's perf_event.h, which
// can't be included together with the system's.
#include <perfmon/pfmlib_perf_event.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "src/host/counters_events.h"

namespace truce::host {
namespace {

// libpfm4 looks at the CPU once per process; asking again returns the first answer.
int InitializePfm() {
  return pfm_initialize();
}

}  // namespace

absl::StatusOr<PerfEvent> EncodeEvent(std::string_view name) {
  if (const int error = InitializePfm(); error != PFM_SUCCESS) {
    return absl::UnavailableError(absl::StrCat("libpfm4 does not start: ", pfm_strerror(error)));
  }
  perf_event_attr attributes;
  std::memset(&attributes, 0, sizeof(attributes));
  attributes.size = sizeof(attributes);
  pfm_perf_encode_arg_t argument;
  std::memset(&argument, 0, sizeof(argument));
  argument.size = sizeof(argument);
  argument.attr = &attributes;
  const std::string text(name);
  const int error = pfm_get_os_event_encoding(text.c_str(), PFM_PLM0 | PFM_PLM3, PFM_OS_PERF_EVENT, &argument);
  if (error != PFM_SUCCESS) return absl::NotFoundError(absl::StrCat("counter ", text, ": ", pfm_strerror(error)));
  PerfEvent event;
  event.name = text;
  event.type = attributes.type;
  event.config = attributes.config;
  event.config1 = attributes.config1;
  event.config2 = attributes.config2;
  return event;
}

std::string DetectCpuModel() {
  if (InitializePfm() != PFM_SUCCESS) return "";
  for (int i = PFM_PMU_NONE; i < PFM_PMU_MAX; ++i) {
    pfm_pmu_info_t info;
    std::memset(&info, 0, sizeof(info));
    info.size = sizeof(info);
    if (pfm_get_pmu_info(static_cast<pfm_pmu_t>(i), &info) != PFM_SUCCESS) continue;
    if (info.is_present && info.type == PFM_PMU_TYPE_CORE) return info.name;
  }
  return "";
}

}  // namespace truce::host
