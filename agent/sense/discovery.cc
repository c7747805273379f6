#include "agent/sense/discovery.h"

#include <dirent.h>
#include <fcntl.h>

#include <cerrno>
#include <memory>
#include <set>

#include "absl/strings/str_replace.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

// Deeper trees than this are nested containers whose outermost cgroup has been matched long before.
constexpr int kDeepest = 10;

// "redis.service" -> "redis"; "docker-3f2a.scope" -> "docker-3f2a".
std::string_view WithoutUnitSuffix(std::string_view name) {
  for (std::string_view suffix : {".service", ".scope", ".slice"}) {
    if (name.ends_with(suffix) && name.size() > suffix.size()) return name.substr(0, name.size() - suffix.size());
  }
  return name;
}

std::string FillIn(const std::string& label, std::string_view path) {
  const size_t slash = path.rfind('/');
  const std::string_view name = WithoutUnitSuffix(slash == std::string_view::npos ? path : path.substr(slash + 1));
  std::string_view parent;
  if (slash != std::string_view::npos) {
    parent = path.substr(0, slash);
    if (const size_t above = parent.rfind('/'); above != std::string_view::npos) parent.remove_prefix(above + 1);
    parent = WithoutUnitSuffix(parent);
  }
  return absl::StrReplaceAll(label, {{"{name}", AbslView(name)}, {"{parent}", AbslView(parent)}});
}

}  // namespace

std::vector<DiscoveryRule> DefaultDiscoveryRules() {
  auto rule = [](std::string match, std::string kind) {
    DiscoveryRule made;
    made.match = std::move(match);
    made.kind = std::move(kind);
    return made;
  };
  // Truce does not act on itself.
  DiscoveryRule own_agent = rule("**truce-agent*", "truce");
  own_agent.ignore = true;
  DiscoveryRule own_controller = rule("**truce-controller*", "truce");
  own_controller.ignore = true;
  return {
      own_agent,
      own_controller,
      rule("system.slice/docker-*.scope", "docker"),
      rule("docker/*", "docker"),
      rule("machine.slice/libpod-*.scope", "podman"),
      rule("libpod_parent/*", "podman"),
      rule("kubepods.slice/**kubepods*-pod*.slice", "kubernetes"),
      rule("kubepods/**pod*", "kubernetes"),
      rule("machine.slice/*", "machine"),
      rule("system.slice/**.service", "systemd"),
      rule("user.slice/user-*.slice", "systemd"),
  };
}

bool MatchesGlob(std::string_view pattern, std::string_view path) {
  if (pattern.empty()) return path.empty();
  if (pattern.starts_with("**")) {
    for (size_t skip = 0; skip <= path.size(); ++skip) {
      if (MatchesGlob(pattern.substr(2), path.substr(skip))) return true;
    }
    return false;
  }
  if (pattern.front() == '*') {
    for (size_t skip = 0; skip <= path.size(); ++skip) {
      if (MatchesGlob(pattern.substr(1), path.substr(skip))) return true;
      if (skip < path.size() && path[skip] == '/') return false;
    }
    return false;
  }
  if (path.empty()) return false;
  if (pattern.front() != path.front() && (pattern.front() != '?' || path.front() == '/')) return false;
  return MatchesGlob(pattern.substr(1), path.substr(1));
}

Discovery::Discovery(const host::CgroupLayout& layout, std::vector<DiscoveryRule> rules)
    : layout_(layout), rules_(std::move(rules)) {}

absl::StatusOr<std::vector<DiscoveredWorkload>> Discovery::Walk(int* unnamable) const {
  // On a v1 or hybrid host a runtime may use only some of the trees, so the cpu tree is walked beside the identity
  // tree.
  std::set<size_t> trees = {layout_.identity_hierarchy()};
  if (auto cpu = layout_.hierarchy_of(host::Controller::kCpu)) trees.insert(*cpu);
  std::map<std::string, DiscoveredWorkload> found;
  std::set<std::string> nameless;
  for (size_t tree : trees) {
    TRUCE_RETURN_IF_ERROR(
        WalkTree(StrCat(layout_.root(), "/", layout_.hierarchies()[tree].directory), "", 0, found, nameless));
  }
  if (unnamable != nullptr) *unnamable = static_cast<int>(nameless.size());
  std::vector<DiscoveredWorkload> workloads;
  workloads.reserve(found.size());
  for (auto& [path, workload] : found) workloads.push_back(std::move(workload));
  return workloads;
}

absl::Status Discovery::WalkTree(const std::string& tree, const std::string& path, int depth,
                                 std::map<std::string, DiscoveredWorkload>& found,
                                 std::set<std::string>& nameless) const {
  if (depth > kDeepest) return absl::OkStatus();
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(StrCat(tree, "/", path).c_str()), closedir);
  if (directory == nullptr) {
    if (errno == EMFILE || errno == ENFILE)
      return ErrnoStatus(errno, StrCat("walking ", tree, "/", path, "; raise LimitNOFILE"));
    return absl::OkStatus();
  }
  while (const dirent* entry = readdir(directory.get())) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    const std::string child = path.empty() ? std::string(entry->d_name) : StrCat(path, "/", entry->d_name);
    if (!IsUtf8(child)) {
      nameless.insert(child);
      continue;
    }
    const DiscoveryRule* matched = nullptr;
    for (const DiscoveryRule& rule : rules_) {
      if (MatchesGlob(rule.match, child)) {
        matched = &rule;
        break;
      }
    }
    if (matched == nullptr) {
      TRUCE_RETURN_IF_ERROR(WalkTree(tree, child, depth + 1, found, nameless));
    } else if (!matched->ignore) {
      found.try_emplace(child, DiscoveredWorkload{child, matched, FillIn(matched->application, child),
                                                  FillIn(matched->tenant, child)});
    }
  }
  return absl::OkStatus();
}

}  // namespace truce::agent
