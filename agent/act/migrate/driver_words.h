// Words that drivers write and read: their memory between steps, JSON to and from programs, and a look at a process.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/act/migrate/driver.h"
#include "google/protobuf/struct.pb.h"

namespace truce::agent {

// "pid=4711 name=web%20one": keys are plain words, values may be anything.
DriverMemory MakeMemory(const std::vector<std::pair<std::string_view, std::string>>& words);
// The value at `key`; empty when it is not there.
std::string WordIn(const DriverMemory& memory, std::string_view key);

// One JSON object; InvalidArgument with the beginning of the text when it is none.
absl::StatusOr<google::protobuf::Struct> ParseObject(const std::string& text);
std::string ToJson(const google::protobuf::Struct& object);
// Of an object, at `key`: the text, the number or the object; empty or nullopt or empty when it is not there, or not of
// that kind.
std::string JsonText(const google::protobuf::Struct& object, const std::string& key);
std::optional<double> JsonNumber(const google::protobuf::Struct& object, const std::string& key);
const google::protobuf::Struct& JsonObject(const google::protobuf::Struct& object, const std::string& key);

// What names a process for good: its pid and when it was started, in clock ticks since the boot; nullopt when there is
// none such, or only what is left of one (a zombie).
std::optional<std::string> StartOfProcess(const std::string& procfs, int pid);
// Waits for the process that was started then to end; whether it did.
bool WaitForEnd(const std::string& procfs, int pid, const std::string& started, absl::Duration patience);

}  // namespace truce::agent
