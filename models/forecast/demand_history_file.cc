#include "models/forecast/demand_history_file.h"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <initializer_list>

#include "src/base/text.h"

namespace truce {
namespace {

constexpr std::string_view kMagic = "TRUCEDH1";

absl::Status Damaged(std::string_view name, std::string_view what) {
  return absl::DataLossError(StrCat(name, " is no history of demand that can be used: ", what));
}

bool IsWhole(const v1::DemandBlock& block) {
  const std::initializer_list<int> sizes = {block.cpu_cores_size(), block.memory_bytes_size(),
                                            block.disk_bytes_per_second_size(), block.network_bytes_per_second_size()};
  const int longest = std::max(sizes);
  return std::all_of(sizes.begin(), sizes.end(), [&](int size) { return size == 0 || size == longest; });
}

}  // namespace

std::string SerializeDemandHistory(const v1::DemandHistoryFile& history) {
  std::string bytes(kMagic);
  history.AppendToString(&bytes);
  return bytes;
}

bool IsDemandHistory(std::string_view bytes) {
  return bytes.substr(0, kMagic.size()) == kMagic;
}

absl::StatusOr<v1::DemandHistoryFile> ParseDemandHistory(std::string_view bytes, std::string_view name) {
  if (!IsDemandHistory(bytes)) return Damaged(name, "it does not begin like one");
  bytes.remove_prefix(kMagic.size());
  v1::DemandHistoryFile history;
  if (bytes.size() > INT_MAX || !history.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Damaged(name, "it was cut off, or something else wrote into it");
  }
  const int64_t step = history.step().seconds();
  if (step < 1 || history.step().nanos() != 0) return Damaged(name, "its step is no whole number of seconds");
  for (const v1::DemandBlock& block : history.workloads()) {
    if (!IsWhole(block)) return Damaged(name, StrCat(block.workload(), " has lists of different lengths"));
    if (block.began_at().nanos() != 0 || block.began_at().seconds() % step != 0) {
      return Damaged(name, StrCat(block.workload(), " does not begin on a step"));
    }
  }
  return history;
}

}  // namespace truce
