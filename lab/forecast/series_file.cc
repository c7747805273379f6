#include "lab/forecast/series_file.h"

#include "lab/forecast/archive.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {

absl::StatusOr<std::vector<NamedReadings>> ReadSeriesFile(const std::string& path) {
  std::vector<NamedReadings> all;
  size_t files = 0;
  TRUCE_RETURN_IF_ERROR(ReadPacked(path, [&](std::string_view, std::string_view content) -> absl::Status {
    if (++files > 1) return absl::InvalidArgumentError(StrCat(path, " holds several files; give one"));
    TRUCE_ASSIGN_OR_RETURN(all, ParseSeriesCsv(path, content));
    return absl::OkStatus();
  }));
  if (files == 0) return absl::InvalidArgumentError(StrCat(path, ": it is empty; it must begin with series,t,value"));
  return all;
}

}  // namespace truce::lab
