#include "src/host/control_line.h"

#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::host {
namespace {

bool IsOf(std::string_view line, std::string_view key) {
  return line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ';
}

}  // namespace

ControlLine ParseControlLine(std::string_view name) {
  const size_t bracket = name.find('[');
  if (bracket == std::string_view::npos || !name.ends_with(']')) return {std::string(name), ""};
  return {std::string(name.substr(0, bracket)), std::string(name.substr(bracket + 1, name.size() - bracket - 2))};
}

std::string ControlLineName(std::string_view file, std::string_view key) {
  return StrCat(file, "[", key, "]");
}

std::string_view FindLine(std::string_view content, std::string_view key) {
  std::string_view found;
  ForEachLine(content, [&](std::string_view line) {
    if (found.empty() && IsOf(line, key)) found = line;
  });
  return found;
}

std::string ReplaceLine(std::string_view content, std::string_view key, std::string_view line) {
  std::string replaced;
  bool done = line.empty();
  ForEachLine(content, [&](std::string_view old) {
    if (!IsOf(old, key)) {
      StrAppend(&replaced, old, "\n");
    } else if (!done) {
      StrAppend(&replaced, line, "\n");
      done = true;
    }
  });
  if (!done) StrAppend(&replaced, line, "\n");
  return replaced;
}

std::string LineThatResets(std::string_view file, std::string_view key) {
  return StrCat(key, file == "io.max" ? " rbps=max wbps=max riops=max wiops=max" : " 0");
}

}  // namespace truce::host
