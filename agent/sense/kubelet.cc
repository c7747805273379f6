#include "agent/sense/kubelet.h"

#include <sys/stat.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>

#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::agent {

// The file is JSON, which is YAML too: {"policyName":"static","defaultCpuSet":"0,4-7",
// "entries":{"POD":{"CONTAINER":"1-3"}},"checksum":1}.
absl::StatusOr<KubeletCpus> ParseKubeletCpus(const std::string& content) try {
  KubeletCpus cpus;
  const YAML::Node state = YAML::Load(content);
  if (!state.IsMap() || !state["policyName"].IsDefined()) return absl::InvalidArgumentError("it names no policyName");
  cpus.is_static = state["policyName"].as<std::string>() == "static";
  const YAML::Node entries = state["entries"];
  if (!entries.IsDefined() || !entries.IsMap()) return cpus;
  for (const auto& pod : entries) {
    for (const auto& container : pod.second) {
      TRUCE_ASSIGN_OR_RETURN(const std::vector<int> own, host::ParseCpuList(container.second.as<std::string>()));
      cpus.exclusive.insert(cpus.exclusive.end(), own.begin(), own.end());
    }
  }
  std::sort(cpus.exclusive.begin(), cpus.exclusive.end());
  cpus.exclusive.erase(std::unique(cpus.exclusive.begin(), cpus.exclusive.end()), cpus.exclusive.end());
  return cpus;
} catch (const YAML::Exception& error) {
  return absl::InvalidArgumentError(error.what());
}

const KubeletCpus& Kubelet::Look() {
  struct stat status {};
  if (stat(file_.c_str(), &status) != 0) {
    const bool none = errno == ENOENT || errno == ENOTDIR;
    seen_.reset();
    return none ? Learn(KubeletCpus()) : Learn(ErrnoStatus(errno, StrCat("reading ", file_)));
  }
  const Stamp stamp{static_cast<int64_t>(status.st_ino), static_cast<int64_t>(status.st_size),
                    status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
  if (seen_ == stamp) return cpus_;
  auto content = host::ReadFile(file_);
  auto cpus = content.ok() ? ParseKubeletCpus(*content) : absl::StatusOr<KubeletCpus>(content.status());
  if (cpus.ok()) seen_ = stamp;
  return cpus.ok() ? Learn(*std::move(cpus)) : Learn(WithContext(cpus.status(), file_));
}

const KubeletCpus& Kubelet::Learn(absl::StatusOr<KubeletCpus> cpus) {
  problem_ = cpus.status();
  if (cpus.ok()) {
    cpus_ = *std::move(cpus);
    known_ = true;
  } else if (!known_) {
    cpus_.is_static = true;
  }
  return cpus_;
}

std::string PinRefusal(const std::string& cgroup_path, const KubeletCpus& cpus) {
  if (!cpus.is_static || cgroup_path.find("kubepods") == std::string::npos) return "";
  return StrCat("kubelet's static CPU manager sets the CPUs of ", cgroup_path,
                ", so it is not pinned; other levers are left");
}

}  // namespace truce::agent
