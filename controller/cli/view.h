// One answer in every form that -o can ask for, shown once or, with --watch, again and again. Every reading command
// returns one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/cli/command.h"
#include "controller/cli/format.h"
#include "google/protobuf/message.h"

namespace truce::cli {

// A heading with lines or a table under it. Lines are wrapped to the terminal; leading blanks indent the whole of one.
struct Section {
  std::string title;
  std::vector<std::string> lines;
  Table table = Table({});
};

struct View {
  // What the controller answered: -o json and -o yaml.
  std::shared_ptr<const google::protobuf::Message> message;
  // The names alone, one a line: -o name.
  std::vector<std::string> names;
  // For people.
  std::vector<Section> sections;
  // Said on the error stream when there is nothing to show: "no hosts".
  std::string nothing;
  // YAML of another form than the message's, or empty.
  std::string yaml;
};

// A view of a single table.
template <typename Response>
View TableView(Response response, Table table, std::vector<std::string> names, std::string nothing) {
  View view;
  view.message = std::make_shared<Response>(std::move(response));
  view.names = std::move(names);
  view.nothing = table.empty() ? std::move(nothing) : "";
  if (!table.empty()) view.sections.push_back({.table = std::move(table)});
  return view;
}

// Shows what `fetch` returns as the flags ask. With --watch it fetches again every 2 s until the pacer ends it; once
// the first answer came, a failed one is told on the error stream and tried again.
absl::Status Show(Session& session, const std::function<absl::StatusOr<View>(Session&)>& fetch);

// Prints the answer to a change: the message for -o json and -o yaml, else `sentence`, marked when it was a dry run.
absl::Status ShowAnswer(Session& session, const google::protobuf::Message& message, const std::string& sentence);
// The same, and the answer's warnings on the error stream.
template <typename Response>
absl::Status ShowChange(Session& session, const Response& response, const std::string& sentence) {
  for (const std::string& warning : response.warnings()) {
    session.console().err << "trucectl: warning: " << PrintableLines(warning) << std::endl;
  }
  return ShowAnswer(session, response, sentence);
}

}  // namespace truce::cli
