#include "lab/levers/pair.h"

#include <algorithm>
#include <filesystem>

#include "src/base/config.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

using Words = std::vector<std::pair<std::string, v1::Lever>>;

Words LeverWords() {
  Words words;
  for (const std::string& word : EnumWords<v1::Lever>()) words.emplace_back(word, EnumFromWord<v1::Lever>(word));
  return words;
}

absl::StatusOr<LeverPair> ReadPair(const std::string& file) {
  TRUCE_ASSIGN_OR_RETURN(const ConfigSource source, LoadConfigSource(file, "TRUCE_LAB_PAIR_", {}));
  LeverPair pair;
  pair.name = std::filesystem::path(file).stem().string();
  int weight = 0;
  double bytes_per_second = 0;
  double group_memory_bytes = 0;
  std::vector<std::string> needs;
  ConfigReader reader(source);
  reader.Read("about", &pair.about);
  reader.ReadEnum("lever", &pair.lever, LeverWords());
  reader.Read("needs", &needs);
  reader.Read("prepare", &pair.prepare);
  reader.Read("clean", &pair.clean);
  reader.Read("victim", &pair.victim.operation);
  reader.Read("aggressor", &pair.aggressor.operation);
  reader.Read("cores", &pair.cores, {.minimum = 0});
  reader.Read("weight", &weight, {.minimum = 0, .maximum = 10'000});
  reader.Read("bytes_per_second", &bytes_per_second, {.minimum = 0, .maximum = 1e15});
  reader.Read("taking_hold", &pair.taking_hold, {.minimum = absl::ZeroDuration(), .maximum = absl::Hours(1)});
  reader.Read("group_memory_bytes", &group_memory_bytes, {.minimum = 0, .maximum = 1e15});
  if (pair.lever == v1::LEVER_UNSPECIFIED) reader.Error("lever", "must say which lever is tried");
  for (const auto* one : {&pair.victim, &pair.aggressor}) {
    const char* key = one == &pair.victim ? "victim" : "aggressor";
    if (one->operation.empty()) reader.Error(key, "must be a script");
  }
  if (pair.lever == v1::LEVER_CPU_QUOTA && pair.cores <= 0) reader.Error("cores", "a quota needs a value");
  if (pair.lever == v1::LEVER_CPU_WEIGHT && weight <= 0) reader.Error("weight", "a weight needs a value");
  if (pair.lever == v1::LEVER_MIGRATE) reader.Error("lever", "is tried between two hosts, not on one");
  const bool caps =
      pair.lever == v1::LEVER_DISK_CAP || pair.lever == v1::LEVER_NETWORK_CAP || pair.lever == v1::LEVER_CACHE_CLASS;
  if (caps && bytes_per_second <= 0) reader.Error("bytes_per_second", "a cap needs a value");
  TRUCE_RETURN_IF_ERROR(reader.Finish());
  // It names a directory.
  if (pair.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") != std::string::npos || pair.name.empty()) {
    return absl::InvalidArgumentError(
        StrCat(file, ": a pair's file is called by small letters, digits, '_' and '-' only, and .yaml"));
  }
  pair.victim.name = pair.name + "-victim";
  pair.aggressor.name = pair.name + "-aggressor";
  pair.victim.needs = needs;
  pair.aggressor.needs = needs;
  pair.weight = static_cast<uint32_t>(weight);
  pair.bytes_per_second = static_cast<uint64_t>(bytes_per_second);
  pair.group_memory_bytes = static_cast<uint64_t>(group_memory_bytes);
  return pair;
}

}  // namespace

absl::StatusOr<std::vector<LeverPair>> ReadLeverPairs(const std::string& directory) {
  TRUCE_ASSIGN_OR_RETURN(const std::vector<std::string> files, YamlFiles(directory, "--pairs"));
  std::vector<LeverPair> pairs;
  for (const std::string& file : files) {
    TRUCE_ASSIGN_OR_RETURN(pairs.emplace_back(), ReadPair(file));
  }
  return pairs;
}

}  // namespace truce::lab
