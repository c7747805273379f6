#include "src/host/virtual_machine.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "src/host/writer_nested.h"

namespace truce::host {
namespace {

using google::protobuf::Struct;
using Options = std::map<std::string, std::string>;

// libvirt has called its monitor so since it speaks QMP, and hands it over as an open file, without a path.
constexpr std::string_view kLibvirtMonitor = "charmonitor";

// A machine has a handful; a container may have thousands, and reading each one's memory takes its time.
constexpr size_t kMostProcesses = 1024;

bool IsQemu(std::string_view program) {
  const size_t slash = program.rfind('/');
  if (slash != std::string_view::npos) program.remove_prefix(slash + 1);
  return program.starts_with("qemu-system-") || program == "qemu-kvm" || program == "kvm";
}

// "a,b=c,,d" as {implied: "a", "b": "c,d"}, as QEMU reads its options: a comma in a value is written twice, and a word
// alone is the value of the implied key in the first place and a switch elsewhere.
Options ParseOptions(std::string_view text, const std::string& implied) {
  Options options;
  for (bool first = true; !text.empty(); first = false) {
    std::string word;
    while (!text.empty() && (text.front() != ',' || text.starts_with(",,"))) {
      word += text.front();
      text.remove_prefix(text.front() == ',' ? 2 : 1);
    }
    text.remove_prefix(std::min<size_t>(1, text.size()));
    const size_t equals = word.find('=');
    if (equals != std::string::npos) {
      options[word.substr(0, equals)] = word.substr(equals + 1);
    } else if (first) {
      options[implied] = word;
    } else {
      options[word] = "on";
    }
  }
  return options;
}

// What may be found in a JSON option, every object in one another's place: {"backend": {"data": {"path": "x"}}} has
// a "path" of "x".
void Flatten(const Struct& object, Options& options) {
  for (const auto& [name, value] : object.fields()) {
    if (value.has_struct_value()) Flatten(value.struct_value(), options);
    if (value.has_string_value()) options.emplace(name, value.string_value());
    if (value.has_bool_value()) options.emplace(name, value.bool_value() ? "on" : "off");
  }
}

Options ParseOptionsOrJson(const std::string& text, const std::string& implied) {
  if (!text.starts_with('{')) return ParseOptions(text, implied);
  Struct object;
  Options options;
  if (google::protobuf::util::JsonStringToMessage(text, &object).ok()) Flatten(object, options);
  // In JSON a socket is a server unless it says otherwise.
  options.emplace("server", "on");
  return options;
}

std::string ValueOf(const Options& options, const std::string& key) {
  const auto found = options.find(key);
  return found == options.end() ? std::string() : found->second;
}

// Path of the socket that QEMU listens at; empty when it doesn't, or not at a path.
std::string ListensAt(const Options& socket) {
  const std::string server = ValueOf(socket, "server");
  const bool listens = server == "on" || server == "yes" || server == "true" || server == "y";
  return listens && ValueOf(socket, "abstract") != "on" ? ValueOf(socket, "path") : std::string();
}

// What a command line says of monitors.
struct Monitors {
  // Listening sockets, by the id of their -chardev.
  std::map<std::string, std::string> sockets;
  // Ids of the -chardevs that QMP is spoken by.
  std::vector<std::string> controls;
  // Sockets given by -qmp.
  std::vector<std::string> paths;
};

void TakeQmp(const std::string& value, Monitors& monitors) {
  constexpr std::string_view kUnix = "unix:";
  constexpr std::string_view kChardev = "chardev:";
  if (value.starts_with(kChardev)) monitors.controls.push_back(value.substr(kChardev.size()));
  if (!value.starts_with(kUnix)) return;
  const std::string path = ListensAt(ParseOptions(value.substr(kUnix.size()), "path"));
  if (!path.empty()) monitors.paths.push_back(path);
}

void TakeMonitor(const std::string& value, Monitors& monitors) {
  const Options options = ParseOptionsOrJson(value, "chardev");
  if (ValueOf(options, "mode") == "control") monitors.controls.push_back(ValueOf(options, "chardev"));
}

void TakeChardev(const std::string& value, Monitors& monitors) {
  const Options options = ParseOptionsOrJson(value, "backend");
  const std::string path = ListensAt(options);
  if (!path.empty()) monitors.sockets.emplace(ValueOf(options, "id"), path);
}

// Below the directory that libvirt keeps machines in, be it the system's or a user's.
bool IsLibvirts(std::string_view path) {
  return path.find("/libvirt/qemu/") != std::string_view::npos;
}

std::vector<int> ProcessesIn(int directory, const std::string& path) {
  ReadBuffer buffer;
  std::vector<int> pids;
  // A cgroup of threads doesn't list processes; those are in one above.
  const auto text = ReadWholeAt(directory, path.c_str(), buffer);
  if (!text.ok()) return pids;
  ForEachLine(*text, [&pids](std::string_view line) {
    int pid = 0;
    if (absl::SimpleAtoi(AbslView(line), &pid) && pid > 0) pids.push_back(pid);
  });
  return pids;
}

// Processes of the cgroup and of those nested in it, once each, by the first tree that has any.
std::vector<int> ProcessesOf(const Cgroup& cgroup) {
  for (const Controller controller : {Controller::kMemory, Controller::kUnified, Controller::kCpu}) {
    const int directory = cgroup.directory_fd(controller);
    if (directory < 0) continue;
    std::vector<int> pids = ProcessesIn(directory, "cgroup.procs");
    const size_t own = cgroup.path().empty() ? 0 : cgroup.path().size() + 1;
    for (const std::string& nested : NestedCgroups(cgroup, controller).value_or(std::vector<std::string>{})) {
      const auto more = ProcessesIn(directory, StrCat(nested.substr(own), "/cgroup.procs"));
      pids.insert(pids.end(), more.begin(), more.end());
    }
    std::sort(pids.begin(), pids.end());
    pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
    if (pids.size() > kMostProcesses) pids.resize(kMostProcesses);
    if (!pids.empty()) return pids;
  }
  return {};
}

// Empty for a process that is gone, and for a thread of the kernel.
std::vector<std::string> CommandLine(const std::string& process) {
  std::vector<std::string> words;
  const std::string text = ReadFile(process + "/cmdline").value_or(std::string());
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\0', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

// The path by which the caller reaches what the process calls `path`: they may see different file systems.
std::string AsSeenBy(const std::string& process, const std::string& path) {
  const std::string theirs = path.starts_with('/') ? StrCat(process, "/root", path) : StrCat(process, "/cwd/", path);
  struct stat there {};
  struct stat here {};
  if (stat(theirs.c_str(), &there) != 0) return path;
  const bool same = path.starts_with('/') && stat(path.c_str(), &here) == 0 && here.st_dev == there.st_dev &&
                    here.st_ino == there.st_ino;
  return same ? path : theirs;
}

}  // namespace

std::optional<VirtualMachine> VirtualMachineOf(const std::vector<std::string>& arguments) {
  if (arguments.empty() || !IsQemu(arguments.front())) return std::nullopt;
  VirtualMachine machine;
  machine.arguments = arguments;
  Monitors monitors;
  for (size_t i = 1; i + 1 < arguments.size(); ++i) {
    std::string_view option = arguments[i];
    if (!option.starts_with('-')) continue;
    option.remove_prefix(option.starts_with("--") ? 2 : 1);
    const std::string& value = arguments[i + 1];
    if (option == "name") machine.name = ValueOf(ParseOptions(value, "guest"), "guest");
    if (option == "qmp" || option == "qmp-pretty") TakeQmp(value, monitors);
    if (option == "mon") TakeMonitor(value, monitors);
    if (option == "chardev") TakeChardev(value, monitors);
    // The key by which libvirt hands secrets to a machine; each machine of libvirt has one.
    if (option == "object" && IsLibvirts(value) && value.find("masterKey") != std::string::npos) {
      machine.of_libvirt = true;
    }
  }
  for (const std::string& control : monitors.controls) {
    if (control == kLibvirtMonitor) machine.of_libvirt = true;
    const auto socket = monitors.sockets.find(control);
    if (socket != monitors.sockets.end()) monitors.paths.push_back(socket->second);
  }
  machine.of_libvirt |= std::any_of(monitors.paths.begin(), monitors.paths.end(), IsLibvirts);
  if (!machine.of_libvirt && !monitors.paths.empty()) machine.monitor = monitors.paths.front();
  return machine;
}

std::vector<VirtualMachine> FindVirtualMachines(const Cgroup& cgroup, const std::string& procfs) {
  std::vector<VirtualMachine> found;
  for (const int pid : ProcessesOf(cgroup)) {
    const std::string process = StrCat(procfs, "/", pid);
    auto machine = VirtualMachineOf(CommandLine(process));
    if (!machine) continue;
    machine->pid = pid;
    if (!machine->monitor.empty()) machine->monitor = AsSeenBy(process, machine->monitor);
    found.push_back(*std::move(machine));
  }
  return found;
}

std::optional<VirtualMachine> FindVirtualMachine(const Cgroup& cgroup, const std::string& procfs) {
  std::vector<VirtualMachine> found = FindVirtualMachines(cgroup, procfs);
  if (found.size() != 1) return std::nullopt;
  return std::move(found.front());
}

}  // namespace truce::host
