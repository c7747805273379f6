#include "controller/cli/view.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <sstream>

#include "controller/cli/yaml.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

constexpr absl::Duration kWatchInterval = absl::Seconds(2);
constexpr char kClearScreen[] = "\x1b[H\x1b[2J\x1b[3J";

absl::StatusOr<std::string> Json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok()) return absl::InternalError(StrCat("the answer cannot be written as JSON: ", status.ToString()));
  return text;
}

Paper PaperOf(const Session& session, const Console& console) {
  Paper paper;
  paper.wide = session.options().output == OutputFormat::kWide;
  const auto no_color = console.environment.find("NO_COLOR");
  // https://no-color.org: set and not empty.
  paper.colour = console.terminal && (no_color == console.environment.end() || no_color->second.empty());
  if (console.terminal) paper.width = console.width;
  return paper;
}

void PrintLine(std::ostream& out, const std::string& line, int width) {
  const size_t indent = std::min(line.find_first_not_of(' '), line.size());
  const int room = width == 0 ? 0 : std::max(20, width - static_cast<int>(indent));
  for (const std::string& part : Wrap(Printable(line.substr(indent)), room)) {
    out << line.substr(0, indent) << part << '\n';
  }
}

void PrintSections(std::ostream& out, const View& view, Paper paper) {
  bool first = true;
  for (const Section& section : view.sections) {
    if (!first) out << '\n';
    first = false;
    if (!section.title.empty()) out << Coloured(section.title, Tone::kFaint, paper.colour) << '\n';
    for (const std::string& line : section.lines) PrintLine(out, line, paper.width);
    if (section.table.empty()) continue;
    Paper table_paper = paper;
    // Wide means everything, whatever the terminal makes of it.
    if (paper.wide) table_paper.width = 0;
    section.table.Print(out, table_paper);
  }
}

absl::StatusOr<std::string> Render(const View& view, const Session& session, const Console& console) {
  std::ostringstream text;
  switch (session.options().output) {
    case OutputFormat::kJson:
      return Json(*view.message);
    case OutputFormat::kYaml:
      return view.yaml.empty() ? MessageToYaml(*view.message) : view.yaml;
    case OutputFormat::kName:
      for (const std::string& name : view.names) text << Printable(name) << '\n';
      return text.str();
    case OutputFormat::kTable:
    case OutputFormat::kWide:
      PrintSections(text, view, PaperOf(session, console));
  }
  return text.str();
}

bool IsForPeople(OutputFormat output) {
  return output == OutputFormat::kTable || output == OutputFormat::kWide;
}

absl::Status ShowOnce(Session& session, const View& view) {
  TRUCE_ASSIGN_OR_RETURN(const std::string text, Render(view, session, session.console()));
  session.console().out << text << std::flush;
  if (!view.nothing.empty() && IsForPeople(session.options().output))
    session.console().err << view.nothing << std::endl;
  return absl::OkStatus();
}

// Between two blocks in a pipe: a blank line for people and names, the document marker for YAML, nothing for JSON,
// whose documents end by themselves.
std::string Separator(OutputFormat output) {
  if (output == OutputFormat::kYaml) return "---\n";
  return output == OutputFormat::kJson ? "" : "\n";
}

}  // namespace

absl::Status Show(Session& session, const std::function<absl::StatusOr<View>(Session&)>& fetch) {
  Console& console = session.console();
  if (session.options().watch) console.pacer.Begin();
  TRUCE_ASSIGN_OR_RETURN(View view, fetch(session));
  if (!session.options().watch) return ShowOnce(session, view);
  while (true) {
    if (console.terminal) console.out << kClearScreen;
    TRUCE_RETURN_IF_ERROR(ShowOnce(session, view));
    // A reader that went away ends the watch.
    if (!console.out.good()) return absl::OkStatus();
    while (true) {
      if (!console.pacer.Wait(kWatchInterval)) return absl::OkStatus();
      absl::StatusOr<View> next = fetch(session);
      if (next.ok()) {
        view = *std::move(next);
        break;
      }
      console.err << "trucectl: " << PrintableLines(StdView(next.status().message())) << "; trying again" << std::endl;
    }
    if (!console.terminal) console.out << Separator(session.options().output);
  }
}

absl::Status ShowAnswer(Session& session, const google::protobuf::Message& message, const std::string& sentence) {
  std::ostream& out = session.console().out;
  if (session.options().output == OutputFormat::kJson) {
    TRUCE_ASSIGN_OR_RETURN(const std::string text, Json(message));
    out << text;
  } else if (session.options().output == OutputFormat::kYaml) {
    out << MessageToYaml(message);
  } else {
    out << (session.options().dry_run ? "dry run, nothing was changed; without it: " : "") << PrintableLines(sentence)
        << '\n';
  }
  out.flush();
  return absl::OkStatus();
}

}  // namespace truce::cli
