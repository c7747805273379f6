#include "controller/cli/parse.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "absl/strings/escaping.h"
#include "controller/cli/command_tree.h"
#include "controller/cli/size.h"
#include "src/base/enum_words.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

constexpr char kConnectionGroup[] = "Connection";

// "nan" is within every range.
std::string IsANumber(const std::string& text) {
  double value = 0;
  return CLI::detail::lexical_cast(text, value) && std::isnan(value) ? "'" + text + "' is not a number" : std::string();
}

// Why an argument can be no word, name or number at all; empty when it can.
std::string Unreadable(const std::string& argument) {
  constexpr size_t kMost = 4096;
  if (argument.size() > kMost) {
    return StrCat("an argument of ", argument.size(), " bytes begins with '", absl::CHexEscape(argument.substr(0, 40)),
                  "'; at most ", kMost, " make sense");
  }
  if (IsUtf8(argument)) return "";
  return StrCat("'", absl::CHexEscape(argument), "' is not UTF-8; names of hosts and workloads are");
}

// The tree of words and flags, bound to *options. Lives for one parse.
class CommandLine {
 public:
  explicit CommandLine(Options* options) : options_(options) {
    app_.name("trucectl");
    app_.formatter(std::make_shared<ExamplesFirst>());
    app_.fallthrough();
    app_.require_subcommand(1);
    app_.footer(
        "  trucectl get hosts\n"
        "  trucectl get pairs --watch\n"
        "  trucectl explain redis.service\n"
        "  trucectl hold --reason 'paging, want it out of the picture'\n");
    AddConnection();
    AddGet();
    AddReading();
    AddPlacing();
    AddChanges();
    AddCertificates();
    AddRest();
  }

  Parsed Run(std::vector<std::string> arguments) {
    Parsed parsed;
    const std::vector<std::string> given = arguments;
    for (const std::string& argument : given) {
      parsed.error = Unreadable(argument);
      if (!parsed.error.empty()) return parsed;
    }
    // CLI11 would take the next word for the value, even if it is a flag: `hold --reason= web-17` would hold the fleet.
    for (const std::string& argument : given) {
      if (argument.size() < 3 || argument.rfind("--", 0) != 0 || argument.find('=') != argument.size() - 1) continue;
      parsed.error = StrCat(argument.substr(0, argument.size() - 1), " is empty; give it a value or leave it out");
      return parsed;
    }
    // CLI11 takes them from the back.
    std::reverse(arguments.begin(), arguments.end());
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::Success& asked) {
      // A word that is none has no help, nor a version.
      parsed.error = ExplainUnknown(app_, given);
      if (!parsed.error.empty()) return parsed;
      if (dynamic_cast<const CLI::CallForVersion*>(&asked) != nullptr) {
        parsed.command = &Version;
      } else {
        parsed.help = app_.help();
      }
      return parsed;
    } catch (const CLI::ParseError& error) {
      parsed.error = ExplainParseError(app_, given, error);
      return parsed;
    }
    // An empty name is an unset shell variable, and must not come to mean "every host".
    for (const CLI::App* at = &app_; at != nullptr;) {
      for (const CLI::Option* option : at->get_options()) {
        const std::vector<std::string> results = option->results();
        if (std::find(results.begin(), results.end(), "") != results.end()) {
          parsed.error = StrCat(option->get_name(), " is empty; give it a value or leave it out");
          return parsed;
        }
      }
      const auto chosen = at->get_subcommands();
      at = chosen.empty() ? nullptr : chosen.front();
    }
    if (output_ == "wide") options_->output = OutputFormat::kWide;
    if (output_ == "json") options_->output = OutputFormat::kJson;
    if (output_ == "yaml") options_->output = OutputFormat::kYaml;
    if (output_ == "name") options_->output = OutputFormat::kName;
    if (command_ == &CompletionBash) options_->completion_script = CompletionScriptOf(app_);
    parsed.command = command_;
    return parsed;
  }

 private:
  CLI::App* Verb(const std::string& word, const std::string& what) {
    CLI::App* verb = app_.add_subcommand(word, what);
    verb->require_subcommand(1);
    return verb;
  }
  CLI::App* Leaf(CLI::App* parent, const std::string& word, const std::string& what, const std::string& examples,
                 Command command) {
    CLI::App* leaf = parent->add_subcommand(word, what);
    leaf->footer(examples);
    leaf->callback([this, command] { command_ = command; });
    return leaf;
  }
  void AddOutput(CLI::App* leaf) {
    leaf->add_option("-o,--output", output_, "wide, json, yaml or name instead of a table")
        ->check(CLI::IsMember({"table", "wide", "json", "yaml", "name"}));
    leaf->add_flag("-w,--watch", options_->watch, "Show it again every 2 s until Ctrl-C");
  }
  void AddChange(CLI::App* leaf) {
    leaf->add_flag("--dry-run", options_->dry_run, "Say what would change and change nothing");
    leaf->add_option("-o,--output", output_, "json or yaml instead of a sentence")
        ->check(CLI::IsMember({"json", "yaml"}));
  }
  void AddHost(CLI::App* leaf) { leaf->add_option("--host", options_->host, "Only on this host"); }
  void AddLimit(CLI::App* leaf) {
    leaf->add_option("--limit", options_->limit, "At most so many (0 for 100)")->check(CLI::Range(0, 1'000'000));
  }

  void AddConnection() {
    ConnectionFlags& flags = options_->connection;
    app_.description("See and steer a Truce fleet.");
    // What it prints is the command's of the same name.
    app_.set_version_flag("--version", "", "Print trucectl's version");
    app_.add_option("--server", flags.server, "The controller, HOST:PORT (TRUCE_SERVER)")
        ->capture_default_str()
        ->group(kConnectionGroup);
    app_.add_option("--ca", flags.ca_file, "The fleet's CA certificate (TRUCE_CA)")
        ->capture_default_str()
        ->group(kConnectionGroup);
    app_.add_option("--cert", flags.certificate_file, "Your certificate (TRUCE_CERT)")
        ->capture_default_str()
        ->group(kConnectionGroup);
    app_.add_option("--key", flags.key_file, "Its key (TRUCE_KEY)")->capture_default_str()->group(kConnectionGroup);
    app_.add_flag("--plaintext", flags.plaintext, "No TLS; works on loopback only")->group(kConnectionGroup);
  }

  void AddGet() {
    CLI::App* get = Verb("get",
                         "List hosts, workloads, applications, pairs, actions, migrations, models, events, anomalies, "
                         "receipts, decisions or the policy");
    CLI::App* leaf =
        Leaf(get, "hosts", "Hosts and how they are", "  trucectl get hosts\n  trucectl get hosts -o wide\n", &GetHosts);
    leaf->alias("host")->add_option("NAME", options_->name, "Only this host");
    AddOutput(leaf);
    leaf = Leaf(get, "workloads", "Workloads, their class, diagnosis and use",
                "  trucectl get workloads\n  trucectl get workloads redis.service --host web-17\n", &GetWorkloads);
    leaf->alias("workload")
        ->add_option("NAME", options_->name, "Its name, last path element, application or HOST/NAME");
    AddHost(leaf);
    AddOutput(leaf);
    leaf = Leaf(get, "applications", "Applications: what they do to others and suffer from them",
                "  trucectl get applications\n  trucectl get applications shop-db -o wide\n", &GetApplications);
    leaf->alias("application")->add_option("NAME", options_->name, "Only this application");
    AddOutput(leaf);
    leaf = Leaf(get, "pairs", "Scored pairs, worst first: who slows whom",
                "  trucectl get pairs --watch\n  trucectl get pairs redis.service --min-score 50\n", &GetPairs);
    leaf->alias("pair")->add_option("WORKLOAD", options_->name, "Only pairs with it on either side");
    leaf->add_option("--min-score", options_->minimum_score, "Only pairs that score at least this")
        ->check(CLI::Range(0., 100.))
        ->check(IsANumber);
    AddHost(leaf);
    AddOutput(leaf);
    leaf = Leaf(get, "actions", "Actions that are wanted or in force", "  trucectl get actions\n", &GetActions);
    AddHost(leaf->alias("action"));
    AddOutput(leaf);
    leaf = Leaf(get, "migrations", "Moves to other hosts that are proposed, under way or ended, newest last",
                "  trucectl get migrations --watch\n  trucectl get migrations --workload batch.service -o wide\n",
                &GetMigrations);
    leaf->alias("migration")->add_option("--workload", options_->workload, "Only of this workload, or for this victim");
    leaf->add_option("--host", options_->host, "Only from or to this host");
    AddLimit(leaf);
    AddOutput(leaf);
    leaf = Leaf(get, "models", "Demand models that the fleet has, tries or has taken back, and their live error",
                "  trucectl get models\n  trucectl get models -o wide\n", &GetModels);
    AddOutput(leaf->alias("model"));
    leaf = Leaf(get, "events", "What happened, newest last",
                "  trucectl get events --watch\n  trucectl get events --host web-17 --limit 20\n", &GetEvents);
    leaf->alias("event")->add_option("--after", options_->after_sequence, "Only events after this one (its NAME)");
    AddHost(leaf);
    AddLimit(leaf);
    AddOutput(leaf);
    leaf = Leaf(get, "anomalies", "Demand that left what was foretold or its own past, and drifts, newest last",
                "  trucectl get anomalies\n  trucectl get anomalies shop.service --watch\n", &GetAnomalies);
    leaf->alias("anomaly")->add_option("WORKLOAD", options_->name, "Only those of it");
    AddHost(leaf);
    AddLimit(leaf);
    AddOutput(leaf);
    leaf = Leaf(get, "receipts", "What ended actions did and cost, newest last",
                "  trucectl get receipts\n  trucectl get receipts redis.service\n", &GetReceipts);
    leaf->alias("receipt")->add_option("WORKLOAD", options_->name, "Only receipts about it");
    AddHost(leaf);
    AddLimit(leaf);
    AddOutput(leaf);
    leaf = Leaf(get, "decisions", "What the planner decided and why, newest last",
                "  trucectl get decisions\n  trucectl get decisions stress.service -o json\n", &GetDecisions);
    leaf->alias("decision")->add_option("WORKLOAD", options_->name, "Only decisions about it");
    AddHost(leaf);
    AddLimit(leaf);
    AddOutput(leaf);
    leaf = Leaf(get, "advice", "Which workloads would be better on other hosts",
                "  trucectl get advice\n  trucectl get advice --anew     after hosts were drained or came back\n",
                &GetAdvice);
    leaf->add_flag("--anew", options_->anew, "Have it thought out now: takes placement.advice_time of the controller");
    AddOutput(leaf);
    leaf = Leaf(get, "policy", "The policy in force",
                "  trucectl get policy\n  trucectl get policy -o yaml >policy.yaml\n", &GetPolicy);
    AddOutput(leaf);
  }

  void AddReading() {
    CLI::App* top = Verb("top", "Who uses most, heaviest first");
    AddOutput(Leaf(top, "hosts", "Hosts by CPU use", "  trucectl top hosts\n", &TopHosts)->alias("host"));
    CLI::App* leaf =
        Leaf(top, "workloads", "Workloads by CPU use", "  trucectl top workloads --watch\n", &TopWorkloads);
    AddHost(leaf->alias("workload"));
    AddOutput(leaf);
    // `trucectl top` alone shows workloads.
    top->require_subcommand(0, 1);
    top->footer("  trucectl top\n  trucectl top hosts --watch\n");
    top->callback([this, top] {
      if (top->get_subcommands().empty()) command_ = &TopWorkloads;
    });
    CLI::App* describe = Verb("describe", "Everything about one host, workload or application");
    leaf = Leaf(describe, "host", "Everything about one host", "  trucectl describe host web-17\n", &DescribeHost);
    leaf->alias("hosts")->add_option("NAME", options_->name, "The host")->required();
    AddOutput(leaf);
    leaf = Leaf(describe, "workload", "Everything about one workload", "  trucectl describe workload redis.service\n",
                &DescribeWorkload);
    leaf->alias("workloads")
        ->add_option("NAME", options_->name, "Its name, last path element, application or HOST/NAME")
        ->required();
    AddHost(leaf);
    AddOutput(leaf);
    leaf = Leaf(describe, "application", "What one application does to others and suffers from them",
                "  trucectl describe application shop-db\n", &DescribeApplication);
    leaf->alias("applications")->add_option("NAME", options_->name, "The application")->required();
    AddOutput(leaf);
    leaf = Leaf(&app_, "explain", "Why a workload is slow and who is suspected, in words and numbers",
                "  trucectl explain redis.service\n  trucectl explain redis.service stress.service --host web-17\n"
                "  trucectl explain placement redis.service\n",
                &Explain);
    leaf->add_option("VICTIM", options_->name,
                     "The slow workload: name, last path element, application or HOST/NAME; or the word placement")
        ->required();
    leaf->add_option("AGGRESSOR", options_->aggressor,
                     "Only this suspect; after placement, the workload whose host is to be explained");
    AddHost(leaf);
    AddOutput(leaf);
  }

  void AddDescription(CLI::App* leaf) {
    const auto number = [this, leaf](const std::string& flag, void (v1::WorkloadDescription::*set)(double),
                                     const std::string& what) {
      leaf->add_option_function<double>(
              flag, [this, set](double value) { (options_->wanted.*set)(value); }, what)
          ->check(IsANumber)
          ->check(CLI::Range(0.0, 1e15));
    };
    leaf->add_option_function<std::string>(
        "--application", [this](const std::string& value) { options_->wanted.set_application(value); },
        "Its application: what was learned of it counts");
    leaf->add_option("--class", options_->workload_class, "critical, standard (default) or best_effort")
        ->check(CLI::IsMember(EnumWords<v1::WorkloadClass>()));
    leaf->add_option_function<int32_t>(
        "--priority", [this](const int32_t& value) { options_->wanted.set_priority(value); },
        "Orders within its class");
    number("--cpu", &v1::WorkloadDescription::set_cpu_cores, "CPU that it asks for, in cores");
    leaf->add_option_function<std::string>(
        "--memory",
        [this](const std::string& value) {
          const std::optional<uint64_t> bytes = ParseBytes(value);
          if (!bytes) throw CLI::ValidationError("--memory", NoSize(value));
          options_->place.memory_bytes = *bytes;
        },
        "Memory that it asks for: bytes, or 512MiB, 1.5GiB; K, M, G and T, with or without B or iB, are of 1024");
    number("--disk-bytes", &v1::WorkloadDescription::set_disk_bytes_per_second, "Disk traffic, bytes a second");
    number("--disk-operations", &v1::WorkloadDescription::set_disk_operations_per_second, "Disk operations a second");
    number("--network-bytes", &v1::WorkloadDescription::set_network_bytes_per_second,
           "Network traffic in the busier direction, bytes a second");
  }

  void AddPlacing() {
    PlaceFlags& flags = options_->place;
    CLI::App* leaf = Leaf(&app_, "place", "Choose a host for a workload and reserve what it asks for there",
                          "  trucectl place --application shop-db --cpu 2 --memory 4GiB --class critical --dry-run\n"
                          "  host=$(trucectl place --application batch --cpu 8 -o name)\n"
                          "  trucectl place --application web --cpu 1 --most-per-domain 1 -o json\n",
                          &Place);
    AddDescription(leaf);
    leaf->add_option_function<std::string>(
        "--name", [this](const std::string& value) { options_->wanted.set_name(value); },
        "The name that it will have there: the reservation ends when the host reports it");
    leaf->add_option("--on", flags.hosts, "Only these hosts, A,B,C")->delimiter(',');
    // The controller reads 0 as no limit.
    leaf->add_option("--most-per-host", flags.most_per_host, "At most so many of its application on a host")
        ->check(CLI::Range(1, 1'000'000));
    leaf->add_option("--most-per-domain", flags.most_per_fault_domain,
                     "At most so many of its application in a fault domain")
        ->check(CLI::Range(1, 1'000'000));
    leaf->add_option("--apart-from", flags.apart_from, "No host where one of these applications runs")->delimiter(',');
    leaf->add_option("--beside", flags.beside, "Only hosts where one of these applications runs")->delimiter(',');
    leaf->add_flag("--one-numa-node", flags.one_numa_node, "It must fit into one NUMA node");
    leaf->add_option("--request-id", flags.request_id, "The same id gets the same answer for ten minutes");
    leaf->add_option("--reserve-seconds", flags.reserve_seconds, "How long it is reserved (60)")
        ->check(CLI::Range(1, 3600));
    leaf->add_flag("--dry-run", options_->dry_run, "Choose and reserve nothing");
    leaf->add_option("-o,--output", output_, "wide, json, yaml or name instead of a table")
        ->check(CLI::IsMember({"table", "wide", "json", "yaml", "name"}));
    leaf = Leaf(&app_, "release", "End a reservation that place made", "  trucectl release 908bd109-r7\n", &Release);
    leaf->add_option("RESERVATION", options_->name, "As place answered it")->required();
    leaf->add_option("-o,--output", output_, "json or yaml instead of a sentence")
        ->check(CLI::IsMember({"json", "yaml"}));
    leaf = Leaf(&app_, "simulate", "What would become of the fleet with more workloads, or without some hosts",
                "  trucectl simulate --fail web-17\n  trucectl simulate --fail-domain rack-3\n"
                "  trucectl simulate --drain web-17 --drain web-18\n"
                "  trucectl simulate --add 20 --application web --cpu 1 --memory 2GiB\n",
                &Simulate);
    AddDescription(leaf);
    // Without any that come, what describes them would have no effect. (--help is an option too.)
    const std::vector<CLI::Option*> description =
        leaf->get_options([leaf](const CLI::Option* option) { return option != leaf->get_help_ptr(); });
    CLI::Option* add = leaf->add_option("--add", flags.add_count, "So many workloads come, as described");
    add->check(CLI::Range(1, 10'000));
    for (CLI::Option* option : description) option->needs(add);
    leaf->add_option("--drain", flags.drain, "This host is emptied; may be repeated");
    leaf->add_option("--fail", flags.fail, "This host fails; may be repeated");
    leaf->add_option("--fail-domain", flags.fail_domains, "All hosts of this fault domain fail; may be repeated");
    leaf->add_option("-o,--output", output_, "wide, json, yaml or name instead of tables")
        ->check(CLI::IsMember({"table", "wide", "json", "yaml", "name"}));
  }

  void AddChanges() {
    CLI::App* set = Verb("set", "Set the mode");
    CLI::App* leaf = Leaf(set, "mode", "Set how far Truce may go: observe, advise or enforce",
                          "  trucectl set mode advise\n  trucectl set mode enforce --class best_effort --dry-run\n"
                          "  trucectl set mode observe --workload redis.service --host web-17\n",
                          &SetMode);
    leaf->add_option("MODE", options_->mode, "observe, advise or enforce")
        ->required()
        ->check(CLI::IsMember(EnumWords<v1::Mode>()));
    AddHost(leaf);
    leaf->add_option("--workload", options_->workload, "Only this workload");
    leaf->add_option("--class", options_->workload_class, "Only this class")
        ->check(CLI::IsMember(EnumWords<v1::WorkloadClass>()));
    AddChange(leaf);
    leaf = Leaf(&app_, "hold", "The kill switch: restore everything and take no action until resumed",
                "  trucectl hold --reason 'release tonight'\n  trucectl hold web-17\n", &Hold);
    leaf->add_option("HOST", options_->name, "Only this host");
    leaf->add_option("--reason", options_->reason, "Why, for the audit log");
    AddChange(leaf);
    leaf = Leaf(&app_, "resume", "End a hold", "  trucectl resume\n  trucectl resume web-17\n", &Resume);
    leaf->add_option("HOST", options_->name, "Only this host");
    AddChange(leaf);
    leaf = Leaf(&app_, "migrate", "Move a workload to another host, as it was proposed or as you say",
                "  trucectl migrate batch.service --dry-run\n"
                "  trucectl migrate batch.service --host web-17 --to web-18 --driver qemu\n",
                &Migrate);
    leaf->add_option("WORKLOAD", options_->name, "Its name, last path element, application or HOST/NAME")->required();
    leaf->add_option("--host", options_->host, "The host that it is on");
    leaf->add_option("--to", options_->target_host,
                     "The host that it is moved to (as proposed, or the one that suits best)");
    leaf->add_option("--driver", options_->driver,
                     "libvirt, qemu, podman, kubernetes or command (its first one that the other host has too)");
    AddChange(leaf);
    CLI::App* verify = Verb("verify", "Look again at what nobody could vouch for");
    leaf =
        Leaf(verify, "migration", "Have both hosts of an uncertain migration look again, and end it where they agree",
             "  trucectl verify migration 908bd109-m7 --dry-run\n  trucectl verify migration 908bd109-m7\n",
             &VerifyMigration);
    leaf->add_option("ID", options_->name, "As trucectl get migrations names it")->required();
    AddChange(leaf);
    CLI::App* rollback = Verb("rollback", "Take back what was sent to hosts");
    leaf = Leaf(rollback, "model", "Take a demand model back: one that hosts try, or the one that all have",
                "  trucectl rollback model 3f2a9c01b7de --dry-run\n"
                "  trucectl rollback model 3f2a9c01b7de --reason 'forecasts of shop-db are off'\n",
                &RollBackModel);
    leaf->add_option("HASH", options_->name, "As trucectl get models names it, or at least 6 digits")->required();
    leaf->add_option("--reason", options_->reason, "Why, for the audit log");
    AddChange(leaf);
    leaf = Leaf(&app_, "apply", "Change the policy: keys that the file leaves out stay, a list replaces the whole list",
                "  trucectl get policy -o yaml >policy.yaml\n  trucectl apply -f policy.yaml --dry-run\n"
                "  trucectl apply -f policy.yaml\n",
                &Apply);
    leaf->add_option("-f,--file", options_->file, "The policy in YAML; - for standard input")->required();
    AddChange(leaf);
  }

  void AddCertificates() {
    CLI::App* certs = Verb("certs", "The fleet's own certificate authority");
    const auto add_common = [this](CLI::App* leaf) {
      leaf->add_option("--days", options_->days, "How long the certificates are good for (365)")
          ->check(CLI::Range(1, 36500));
      leaf->add_flag("--dry-run", options_->dry_run, "Check, say what would be written and write nothing");
    };
    CLI::App* leaf = Leaf(certs, "init", "Make a CA with a controller's and an operator's certificate",
                          "  trucectl certs init /root/truce-ca\n"
                          "  trucectl certs init /root/truce-ca --controller-address truce.example.org\n",
                          &CertsInit);
    leaf->add_option("DIR", options_->directory, "Made if it is not there")->required();
    leaf->add_option("--controller-address", options_->addresses,
                     "DNS name or IP that the controller answers under; may be repeated (this machine and loopback)");
    leaf->add_option("--controller-name", options_->name, "The controller's name (this machine's)");
    leaf->add_option("--operator-name", options_->operator_name, "The first operator's name")->capture_default_str();
    add_common(leaf);
    leaf = Leaf(
        certs, "issue", "Sign one more certificate with the CA in DIR",
        "  trucectl certs issue /root/truce-ca agent web-17\n  trucectl certs issue /root/truce-ca operator alice\n",
        &CertsIssue);
    leaf->add_option("DIR", options_->directory, "The CA's directory")->required();
    leaf->add_option("ROLE", options_->role, "agent, operator, scheduler or controller")
        ->required()
        ->check(CLI::IsMember({"agent", "operator", "scheduler", "controller"}));
    leaf->add_option("NAME", options_->name, "Host name of an agent; a user's or system's name otherwise")->required();
    leaf->add_option("--address", options_->addresses, "DNS name or IP that it answers under; a controller needs one");
    leaf->add_flag("--replace", options_->replace, "Make a new key and certificate where there is one for NAME");
    add_common(leaf);
    leaf = Leaf(certs, "show", "Say what a certificate is", "  trucectl certs show /etc/truce/pki/agent.crt\n",
                &CertsShow);
    leaf->add_option("FILE", options_->file, "The certificate, PEM")->required();
  }

  void AddRest() {
    CLI::App* completion = Verb("completion", "Print a shell's completion script");
    Leaf(completion, "bash", "For bash", "  source <(trucectl completion bash)\n", &CompletionBash);
    Leaf(&app_, "version", "Print trucectl's version", "  trucectl version\n", &Version);
  }

  CLI::App app_;
  Options* options_;
  Command command_ = nullptr;
  std::string output_;
};

void ReadEnvironment(const std::map<std::string, std::string>& environment, ConnectionFlags* flags) {
  const auto read = [&](const char* name, std::string* value) {
    const auto found = environment.find(name);
    if (found != environment.end() && !found->second.empty()) *value = found->second;
  };
  read("TRUCE_SERVER", &flags->server);
  read("TRUCE_CA", &flags->ca_file);
  read("TRUCE_CERT", &flags->certificate_file);
  read("TRUCE_KEY", &flags->key_file);
}

}  // namespace

Parsed Parse(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment,
             Options* options) {
  ReadEnvironment(environment, &options->connection);
  CommandLine line(options);
  Parsed parsed = line.Run(arguments);
  std::string& server = options->connection.server;
  // A host alone is meant to have the controller's usual port.
  if (!server.empty() && (server.find(':') == std::string::npos || server.back() == ']')) server += ":7443";
  return parsed;
}

}  // namespace truce::cli
