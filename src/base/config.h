// Reads a YAML configuration with the precedence flag > environment > file > default, and refuses what it does not
// know. Each daemon has one struct of settings with defaults and one function that binds each key to a field:
//
//   ConfigReader reader(source);
//   reader.Read("sample.interval", &settings.sample_interval, {.minimum = absl::Milliseconds(100)});
//   return reader.Finish();
#pragma once

#include <functional>
#include <istream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace YAML {
class Node;
}

namespace truce {

// Where settings come from. Keys are dotted paths ("sample.interval").
struct ConfigSource {
  // Name of the file, for messages; empty when there is none.
  std::string file;
  // Its text.
  std::string text;
  // Values from the environment and from flags, already in YAML's scalar syntax; flags win over the environment.
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> flags;
};

// All text of a stream that is a configuration or a policy, `what` for messages ("the configuration file x.yaml").
// InvalidArgument when it does not end within a megabyte: such a thing is a device, or a mistake.
absl::StatusOr<std::string> ReadConfigText(std::istream& stream, std::string_view what);

// Reads `file` (when not empty) and the variables of the process's environment that begin with `prefix`: with prefix
// "TRUCE_AGENT_", TRUCE_AGENT_SAMPLE__INTERVAL=2s sets sample.interval (two underscores stand for a dot). NotFound when
// the file is missing; otherwise as ReadConfigText.
absl::StatusOr<ConfigSource> LoadConfigSource(const std::string& file, std::string_view prefix,
                                              const std::map<std::string, std::string>& flags);

// Bounds of a number or duration, both inclusive.
template <typename T>
struct Bounds {
  std::optional<T> minimum;
  std::optional<T> maximum;
};

// Binds keys to fields. Errors are collected; Finish returns them all, one a line, as "file:line: key: what is wrong
// and what is expected". Not thread-safe.
class ConfigReader {
 public:
  explicit ConfigReader(const ConfigSource& source);
  ~ConfigReader();
  ConfigReader(const ConfigReader&) = delete;
  ConfigReader& operator=(const ConfigReader&) = delete;

  // Each leaves *value alone when the key is not given.
  void Read(std::string_view key, std::string* value);
  void Read(std::string_view key, bool* value);
  void Read(std::string_view key, double* value, const Bounds<double>& bounds = {});
  void Read(std::string_view key, int* value, const Bounds<int>& bounds = {});
  void Read(std::string_view key, absl::Duration* value, const Bounds<absl::Duration>& bounds = {});
  void Read(std::string_view key, std::vector<std::string>* value);
  // One of a fixed set of words.
  template <typename E>
  void ReadEnum(std::string_view key, E* value, const std::vector<std::pair<std::string, E>>& words) {
    ReadWord(
        key,
        [&](std::string_view word) {
          for (const auto& [name, meaning] : words) {
            if (name == word) {
              *value = meaning;
              return true;
            }
          }
          return false;
        },
        [&] {
          std::string list;
          for (const auto& [name, meaning] : words) list += (list.empty() ? "" : ", ") + name;
          return list;
        });
  }
  // A list of mappings: calls `item` once per element with a reader of that element, whose keys are relative to it.
  // Clearing the target first, when the key is given, is up to `begin`.
  void ReadList(std::string_view key, const std::function<void()>& begin,
                const std::function<void(ConfigReader& element)>& item);
  // Reports the value of `key` unless it is "host:port".
  void CheckAddress(std::string_view key, const std::string& address);
  // Reports a problem with `key` that only the caller can see.
  void Error(std::string_view key, std::string_view problem);

  // OK, or InvalidArgument with every problem found, unknown keys among them.
  absl::Status Finish();

  // Every key that was asked for, with list elements as "rules[].match" (those of a list that was given). For
  // documentation tests.
  const std::set<std::string>& known_keys() const;

 private:
  struct State;
  struct Found;
  ConfigReader(State* shared, const YAML::Node& element, std::string prefix, std::string documented_prefix);
  std::optional<Found> Find(std::string_view key);
  void ReadWord(std::string_view key, const std::function<bool(std::string_view)>& accept,
                const std::function<std::string()>& words);
  void CollectUnknown(const YAML::Node& node, const std::string& path, const std::string& documented_path);

  State* state_;
  bool owns_state_;
  std::string prefix_;
  std::string documented_prefix_;
};

}  // namespace truce
