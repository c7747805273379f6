#include "controller/cli/command_tree.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "absl/strings/str_join.h"
#include "controller/cli/completion.h"
#include "controller/cli/suggest.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

std::vector<const CLI::App*> Children(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<std::string> ChildWords(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* child : Children(app)) words.push_back(child->get_name());
  return words;
}

// "-o", "--output": as they are typed.
std::vector<std::string> FlagNames(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

// Flags that may be given at `app`: its own and those above it.
std::vector<std::string> Flags(const CLI::App* app) {
  std::vector<std::string> names;
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      for (std::string& name : FlagNames(*option)) names.push_back(std::move(name));
    }
  }
  return names;
}

bool TakesValue(const CLI::App* app, const std::string& flag) {
  for (; app != nullptr; app = app->get_parent()) {
    const CLI::Option* option = app->get_option_no_throw(flag);
    if (option != nullptr) return option->get_items_expected_min() > 0;
  }
  return false;
}

std::string PathOf(const CLI::App& app) {
  if (app.get_parent() == nullptr) return app.get_name();
  return PathOf(*app.get_parent()) + " " + app.get_name();
}

// "--server" of "--server=host:1".
std::string FlagOf(const std::string& argument) {
  return argument.substr(0, argument.find('='));
}

bool IsFlag(const CLI::App& app, const std::string& argument) {
  const std::vector<std::string> flags = Flags(&app);
  const auto known = [&](const std::string& flag) {
    return std::find(flags.begin(), flags.end(), flag) != flags.end();
  };
  // "-ojson" is -o with its value.
  return known(FlagOf(argument)) || (argument[1] != '-' && known(argument.substr(0, 2)));
}

// Where the arguments lead, the word there that names nothing ("" when every word does), and the flag before that word
// that is none ("" for none): what was meant as its value is no word.
struct Place {
  const CLI::App* app;
  std::string unknown_word;
  std::string unknown_flag;
};

Place Follow(const CLI::App& root, const std::vector<std::string>& arguments) {
  const CLI::App* at = &root;
  std::string unknown_flag;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--") break;
    if (arguments[i].size() > 1 && arguments[i].front() == '-') {
      if (unknown_flag.empty() && !IsFlag(*at, arguments[i])) unknown_flag = FlagOf(arguments[i]);
      if (TakesValue(at, arguments[i])) ++i;
      continue;
    }
    const std::vector<const CLI::App*> children = Children(*at);
    if (children.empty()) break;
    const CLI::App* next = nullptr;
    for (const CLI::App* child : children) {
      if (child->check_name(arguments[i])) next = child;
    }
    if (next == nullptr) return {at, arguments[i], unknown_flag};
    at = next;
  }
  return {at, "", ""};
}

std::string DidYouMean(const std::string& nearest) {
  return nearest.empty() ? "" : StrCat("; did you mean ", nearest, "?");
}

std::string WhereHelpIs(const CLI::App& app) {
  return StrCat(" (", PathOf(app), " --help)");
}

std::string NoFlag(const CLI::App& app, const std::string& flag) {
  return StrCat("'", flag, "' is no flag of '", PathOf(app), "'", DidYouMean(Nearest(flag, Flags(&app))),
                WhereHelpIs(app));
}

// The trucectl command whose lines may come next at `path`: names that only the controller knows. Empty for none.
std::string DynamicCompletion(std::string_view path) {
  for (const std::string_view host_path : {"get hosts", "describe host", "hold", "resume"}) {
    if (path == host_path) return "get hosts -o name";
  }
  for (const std::string_view workload_path :
       {"get workloads", "describe workload", "explain", "get pairs", "get decisions", "get receipts", "migrate"}) {
    if (path == workload_path) return "get workloads -o name";
  }
  if (path == "rollback model") return "get models -o name";
  if (path == "verify migration") return "get migrations -o name";
  if (path == "get applications" || path == "describe application") return "get applications -o name";
  return "";
}

// Words that a position takes and that are no commands.
std::vector<std::string> PositionWords(const std::string& path) {
  if (path == "set mode") return {"observe", "advise", "enforce"};
  if (path == "certs issue") return {"agent", "operator", "scheduler", "controller"};
  return {};
}

void Collect(const CLI::App& app, const std::string& path, std::vector<CompletionNode>* nodes,
             std::set<std::string>* value_flags) {
  CompletionNode node{.path = path, .candidates = ChildWords(app)};
  for (const std::string& word : PositionWords(path)) node.candidates.push_back(word);
  for (const std::string& flag : Flags(&app)) {
    node.candidates.push_back(flag);
    if (TakesValue(&app, flag)) value_flags->insert(flag);
  }
  node.dynamic = DynamicCompletion(path);
  nodes->push_back(std::move(node));
  for (const CLI::App* child : Children(app)) {
    Collect(*child, path.empty() ? child->get_name() : path + " " + child->get_name(), nodes, value_flags);
  }
}

}  // namespace

std::string ExamplesFirst::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const {
  if (mode == CLI::AppFormatMode::Sub) return make_expanded(app);
  std::string help = app->get_description() + "\n";
  if (!app->get_footer().empty()) StrAppend(&help, "\nExamples:\n", app->get_footer());
  StrAppend(&help, "\n", make_usage(app, name), make_positionals(app), make_groups(app, mode),
            make_subcommands(app, mode));
  if (app->get_parent() != nullptr) {
    help += "\nConnection flags (--server, --ca, --cert, --key, --plaintext): trucectl --help\n";
  }
  return help;
}

std::string ExplainUnknown(const CLI::App& root, const std::vector<std::string>& arguments) {
  const Place place = Follow(root, arguments);
  if (!place.unknown_flag.empty()) return NoFlag(*place.app, place.unknown_flag);
  if (place.unknown_word.empty()) return "";
  const std::vector<std::string> words = ChildWords(*place.app);
  return StrCat("'", place.unknown_word, "' is no word after '", PathOf(*place.app), "'",
                DidYouMean(Nearest(place.unknown_word, words)), " (known: ", absl::StrJoin(words, ", "), ")",
                WhereHelpIs(*place.app));
}

std::string ExplainParseError(const CLI::App& root, const std::vector<std::string>& arguments,
                              const CLI::ParseError& error) {
  const std::string unknown = ExplainUnknown(root, arguments);
  if (!unknown.empty()) return unknown;
  const CLI::App& app = *Follow(root, arguments).app;
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    if (argument.size() < 2 || argument.front() != '-') continue;
    if (IsFlag(app, argument) || dynamic_cast<const CLI::ExtrasError*>(&error) == nullptr) continue;
    return NoFlag(app, FlagOf(argument));
  }
  const std::vector<std::string> words = ChildWords(app);
  if (!words.empty() && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    return StrCat("'", PathOf(app), "' needs one more word: ", absl::StrJoin(words, ", "), WhereHelpIs(app));
  }
  return StrCat(error.what(), WhereHelpIs(app));
}

std::string CompletionScriptOf(const CLI::App& root) {
  std::vector<CompletionNode> nodes;
  std::set<std::string> value_flags;
  Collect(root, "", &nodes, &value_flags);
  return BashCompletionScript(nodes, {value_flags.begin(), value_flags.end()});
}

}  // namespace truce::cli
