#include "src/base/config.h"

#include <yaml-cpp/yaml.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "src/base/status.h"
#include "src/base/text.h"

extern char** environ;

namespace truce {
namespace {

std::string ScalarText(const YAML::Node& node) {
  return node.IsScalar() ? node.Scalar() : std::string();
}

}  // namespace

struct ConfigReader::State {
  std::string file;
  YAML::Node root;
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> flags;
  std::set<std::string> documented;  // "rules[].match"
  std::vector<std::string> errors;
};

// A value and where it was found, for messages.
struct ConfigReader::Found {
  YAML::Node node;
  std::string where;
};

absl::StatusOr<std::string> ReadConfigText(std::istream& stream, std::string_view what) {
  constexpr size_t kMost = 1 << 20;
  std::string text;
  // read() marks the stream bad when the bytes cannot be had (a directory opens well); operator<< would hide that.
  std::array<char, 4096> chunk{};
  errno = 0;
  while (stream.read(chunk.data(), chunk.size()), stream.gcount() > 0) {
    text.append(chunk.data(), static_cast<size_t>(stream.gcount()));
    if (text.size() > kMost) {
      return absl::InvalidArgumentError(StrCat(what, " is larger than a megabyte; check that it is the right one"));
    }
  }
  if (stream.bad()) return ErrnoStatus(errno == 0 ? EIO : errno, StrCat("reading ", what));
  return text;
}

absl::StatusOr<ConfigSource> LoadConfigSource(const std::string& file, std::string_view prefix,
                                              const std::map<std::string, std::string>& flags) {
  ConfigSource source;
  source.file = file;
  source.flags = flags;
  if (!file.empty()) {
    std::ifstream stream(file, std::ios::binary);
    if (!stream) return ErrnoStatus(errno, StrCat("reading the configuration file ", file));
    TRUCE_ASSIGN_OR_RETURN(source.text, ReadConfigText(stream, StrCat("the configuration file ", file)));
  }
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view variable(*entry);
    if (!variable.starts_with(prefix)) continue;
    variable.remove_prefix(prefix.size());
    const size_t equals = variable.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string key =
        absl::StrReplaceAll(absl::AsciiStrToLower(AbslView(variable.substr(0, equals))), {{"__", "."}});
    source.environment[key] = std::string(variable.substr(equals + 1));
  }
  return source;
}

ConfigReader::ConfigReader(const ConfigSource& source) : state_(new State), owns_state_(true) {
  state_->file = source.file.empty() ? "configuration" : source.file;
  state_->environment = source.environment;
  state_->flags = source.flags;
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(source.text);
    if (!documents.empty()) state_->root = documents.front();
    if (documents.size() > 1) {
      state_->errors.push_back(StrCat(state_->file, ":", documents[1].Mark().line + 1,
                                      ": a second YAML document begins here; the file must be one"));
    }
    if (state_->root.IsDefined() && !state_->root.IsNull() && !state_->root.IsMap()) {
      state_->errors.push_back(StrCat(state_->file, ":1: the file must be a mapping of keys to values"));
      state_->root = YAML::Node();
    }
  } catch (const YAML::Exception& error) {
    state_->errors.push_back(StrCat(state_->file, ":", error.mark.line + 1, ": not valid YAML: ", error.msg));
    state_->root = YAML::Node();
  }
}

ConfigReader::ConfigReader(State* shared, const YAML::Node& element, std::string prefix, std::string documented_prefix)
    : state_(new State),
      owns_state_(true),
      prefix_(std::move(prefix)),
      documented_prefix_(std::move(documented_prefix)) {
  state_->file = shared->file;
  state_->root = element;
}

ConfigReader::~ConfigReader() {
  if (owns_state_) delete state_;
}

std::optional<ConfigReader::Found> ConfigReader::Find(std::string_view key) {
  state_->documented.insert(std::string(key));
  const std::string name(key);
  if (auto flag = state_->flags.find(name); flag != state_->flags.end()) {
    return Found{YAML::Node(flag->second), StrCat("--set ", name)};
  }
  if (auto variable = state_->environment.find(name); variable != state_->environment.end()) {
    return Found{YAML::Node(variable->second), StrCat("environment variable for ", name)};
  }
  YAML::Node node;
  node.reset(state_->root);
  for (absl::string_view part : absl::StrSplit(AbslView(key), '.')) {
    if (!node.IsDefined() || !node.IsMap()) return std::nullopt;
    node.reset(node[std::string(part)]);
  }
  if (!node.IsDefined()) return std::nullopt;
  return Found{node, StrCat(state_->file, ":", node.Mark().line + 1, ": ", prefix_, name)};
}

void ConfigReader::Read(std::string_view key, std::string* value) {
  const auto found = Find(key);
  if (!found) return;
  if (found->node.IsNull()) {
    value->clear();
  } else if (!found->node.IsScalar()) {
    state_->errors.push_back(StrCat(found->where, ": expected a text"));
  } else {
    *value = found->node.Scalar();
  }
}

void ConfigReader::Read(std::string_view key, bool* value) {
  const auto found = Find(key);
  if (!found) return;
  const std::string text = ScalarText(found->node);
  if (text == "true" || text == "yes" || text == "on") {
    *value = true;
  } else if (text == "false" || text == "no" || text == "off") {
    *value = false;
  } else {
    state_->errors.push_back(StrCat(found->where, ": '", text, "' is not true or false"));
  }
}

void ConfigReader::Read(std::string_view key, double* value, const Bounds<double>& bounds) {
  const auto found = Find(key);
  if (!found) return;
  double parsed = 0;
  const std::string text = ScalarText(found->node);
  if (!absl::SimpleAtod(text, &parsed) || !std::isfinite(parsed)) {
    state_->errors.push_back(StrCat(found->where, ": '", text, "' is not a number"));
  } else if ((bounds.minimum && parsed < *bounds.minimum) || (bounds.maximum && parsed > *bounds.maximum)) {
    state_->errors.push_back(StrCat(found->where, ": ", text, " is out of range; expected",
                                    bounds.minimum ? StrCat(" at least ", *bounds.minimum) : "",
                                    bounds.maximum ? StrCat(" at most ", *bounds.maximum) : ""));
  } else {
    *value = parsed;
  }
}

void ConfigReader::Read(std::string_view key, int* value, const Bounds<int>& bounds) {
  const auto found = Find(key);
  if (!found) return;
  int parsed = 0;
  const std::string text = ScalarText(found->node);
  if (!absl::SimpleAtoi(text, &parsed)) {
    state_->errors.push_back(StrCat(found->where, ": '", text, "' is not a whole number"));
  } else if ((bounds.minimum && parsed < *bounds.minimum) || (bounds.maximum && parsed > *bounds.maximum)) {
    state_->errors.push_back(StrCat(found->where, ": ", text, " is out of range; expected",
                                    bounds.minimum ? StrCat(" at least ", *bounds.minimum) : "",
                                    bounds.maximum ? StrCat(" at most ", *bounds.maximum) : ""));
  } else {
    *value = parsed;
  }
}

void ConfigReader::Read(std::string_view key, absl::Duration* value, const Bounds<absl::Duration>& bounds) {
  const auto found = Find(key);
  if (!found) return;
  absl::Duration parsed;
  const std::string text = ScalarText(found->node);
  if (!absl::ParseDuration(text, &parsed)) {
    state_->errors.push_back(
        StrCat(found->where, ": '", text, "' is not a duration; write it with a unit, such as 500ms, 5s or 10m"));
  } else if ((bounds.minimum && parsed < *bounds.minimum) || (bounds.maximum && parsed > *bounds.maximum)) {
    state_->errors.push_back(StrCat(found->where, ": ", text, " is out of range; expected",
                                    bounds.minimum ? StrCat(" at least ", absl::FormatDuration(*bounds.minimum)) : "",
                                    bounds.maximum ? StrCat(" at most ", absl::FormatDuration(*bounds.maximum)) : ""));
  } else {
    *value = parsed;
  }
}

void ConfigReader::Read(std::string_view key, std::vector<std::string>* value) {
  const auto found = Find(key);
  if (!found) return;
  std::vector<std::string> parsed;
  if (found->node.IsSequence()) {
    for (const auto& element : found->node) {
      if (!element.IsScalar()) {
        state_->errors.push_back(StrCat(found->where, ": expected a list of texts"));
        return;
      }
      parsed.push_back(element.Scalar());
    }
  } else if (found->node.IsScalar()) {  // from a flag or the environment: "a,b"
    parsed = absl::StrSplit(found->node.Scalar(), ',', absl::SkipEmpty());
  } else if (!found->node.IsNull()) {
    state_->errors.push_back(StrCat(found->where, ": expected a list of texts"));
    return;
  }
  *value = std::move(parsed);
}

void ConfigReader::ReadWord(std::string_view key, const std::function<bool(std::string_view)>& accept,
                            const std::function<std::string()>& words) {
  const auto found = Find(key);
  if (!found) return;
  const std::string text = ScalarText(found->node);
  if (!accept(text)) {
    state_->errors.push_back(StrCat(found->where, ": '", text, "' is not one of ", words()));
  }
}

void ConfigReader::ReadList(std::string_view key, const std::function<void()>& begin,
                            const std::function<void(ConfigReader&)>& item) {
  auto found = Find(key);
  if (!found) return;
  if (found->node.IsScalar()) {  // a flag or variable in YAML's flow syntax: "[{match: a}]"
    try {
      found->node = YAML::Load(found->node.Scalar());
    } catch (const YAML::Exception& error) {
      state_->errors.push_back(StrCat(found->where, ": not valid YAML: ", error.msg));
      return;
    }
  }
  if (!found->node.IsSequence() && !found->node.IsNull()) {
    state_->errors.push_back(StrCat(found->where, ": expected a list"));
    return;
  }
  begin();
  size_t index = 0;
  for (const auto& element : found->node) {
    const std::string name = StrCat(prefix_, key, "[", index++, "].");
    if (!element.IsMap()) {
      state_->errors.push_back(StrCat(found->where, ": each element must be a mapping"));
      return;
    }
    ConfigReader reader(state_, element, name, StrCat(documented_prefix_, key, "[]."));
    item(reader);
    reader.CollectUnknown(reader.state_->root, "", "");
    for (const std::string& error : reader.state_->errors) state_->errors.push_back(error);
    for (const std::string& known : reader.state_->documented) state_->documented.insert(StrCat(key, "[].", known));
  }
}

void ConfigReader::CheckAddress(std::string_view key, const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon == std::string::npos || colon == 0 || !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 0 ||
      port > 65535) {
    Error(key, StrCat("'", address, "' is not host:port"));
  }
}

void ConfigReader::Error(std::string_view key, std::string_view problem) {
  const auto found = Find(key);
  state_->errors.push_back(StrCat(found ? found->where : StrCat(state_->file, ": ", prefix_, key), ": ", problem));
}

void ConfigReader::CollectUnknown(const YAML::Node& node, const std::string& path, const std::string& documented_path) {
  if (!node.IsDefined() || !node.IsMap()) return;
  std::set<std::string> seen;
  for (const auto& entry : node) {
    const std::string key = entry.first.Scalar();
    const std::string full = documented_path.empty() ? key : documented_path + "." + key;
    const std::string where = StrCat(state_->file, ":", entry.first.Mark().line + 1, ": ", prefix_, full);
    if (!seen.insert(key).second) state_->errors.push_back(StrCat(where, ": given twice"));
    // "a.b: 1" in one line is a key of its own to YAML, and would be read by nobody.
    if (key.find('.') != std::string::npos) {
      state_->errors.push_back(
          StrCat(where, ": unknown key; write each part of a dotted key on a line of its own, indented"));
      continue;
    }
    if (state_->documented.contains(full)) continue;
    const bool is_section = state_->documented.lower_bound(full + ".") != state_->documented.end() &&
                            state_->documented.lower_bound(full + ".")->starts_with(full + ".");
    if (is_section && (entry.second.IsMap() || entry.second.IsNull())) {
      CollectUnknown(entry.second, path, full);
      continue;
    }
    if (is_section) {
      state_->errors.push_back(StrCat(where, ": expected a mapping"));
      continue;
    }
    state_->errors.push_back(StrCat(where, ": unknown key"));
  }
}

absl::Status ConfigReader::Finish() {
  CollectUnknown(state_->root, "", "");
  for (const auto* given : {&state_->flags, &state_->environment}) {
    for (const auto& [key, value] : *given) {
      if (!state_->documented.contains(key)) {
        state_->errors.push_back(
            StrCat(given == &state_->flags ? "--set " : "environment variable for ", key, ": unknown key"));
      }
    }
  }
  if (state_->errors.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(state_->errors, "\n"));
}

const std::set<std::string>& ConfigReader::known_keys() const {
  return state_->documented;
}

}  // namespace truce
