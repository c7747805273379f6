#include "src/host/traffic.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/traffic_shared.h"

// The programs, compiled by the build.
asm(".section .rodata\n"
    ".balign 8\n"
    "truce_traffic_bpf_begin:\n"
    ".incbin \"" TRUCE_TRAFFIC_BPF
    "\"\n"
    "truce_traffic_bpf_end:\n"
    ".previous\n");
extern "C" const char truce_traffic_bpf_begin[];
extern "C" const char truce_traffic_bpf_end[];

namespace truce::host {
namespace {

// The last thing that libbpf said: it tells the verifier's reasons nowhere else.
std::string& LastWords() {
  static thread_local std::string words;
  return words;
}

int Listen(libbpf_print_level level, const char* format, va_list arguments) {
  char text[512];
  std::vsnprintf(text, sizeof text, format, arguments);
  if (level == LIBBPF_WARN) LastWords() = text;
  return 0;
}

absl::Status CannotLoad(int error) {
  std::string words = LastWords();
  while (!words.empty() && words.back() == '\n') words.pop_back();
  const char* remedy = error == EPERM || error == EACCES
                           ? "give the agent CAP_BPF and CAP_NET_ADMIN"
                           : "use a kernel with CONFIG_CGROUP_BPF and BTF (Linux 5.9 or newer)";
  return absl::FailedPreconditionError(
      StrCat("the kernel does not take the programs that count traffic: ", std::strerror(error),
             words.empty() ? "" : " (", words, words.empty() ? "" : ")", "; ", remedy));
}

}  // namespace

void Traffic::Deleter::operator()(bpf_object* object) const {
  bpf_object__close(object);
}

void Traffic::Deleter::operator()(bpf_link* link) const {
  bpf_link__destroy(link);
}

absl::StatusOr<std::unique_ptr<Traffic>> Traffic::Open(const CgroupLayout& layout) {
  if (!layout.hierarchy_of(Controller::kUnified)) {
    return absl::FailedPreconditionError("there is no cgroup2 tree to count traffic in; mount one");
  }
  libbpf_set_print(Listen);
  std::unique_ptr<Traffic> traffic(new Traffic());
  const auto size = static_cast<size_t>(truce_traffic_bpf_end - truce_traffic_bpf_begin);
  traffic->object_.reset(bpf_object__open_mem(truce_traffic_bpf_begin, size, nullptr));
  if (traffic->object_ == nullptr) return CannotLoad(errno);
  if (const int error = bpf_object__load(traffic->object_.get()); error != 0) return CannotLoad(-error);
  traffic->totals_ = bpf_object__find_map_fd_by_name(traffic->object_.get(), "totals");
  traffic->caps_ = bpf_object__find_map_fd_by_name(traffic->object_.get(), "caps");
  traffic->cpus_ = libbpf_num_possible_cpus();
  if (traffic->totals_ < 0 || traffic->caps_ < 0 || traffic->cpus_ <= 0) return CannotLoad(EINVAL);
  return traffic;
}

Traffic::~Traffic() {
  watched_.clear();
}

uint64_t Traffic::IdOf(const Cgroup& cgroup) {
  struct stat status {};
  const int fd = cgroup.directory_fd(Controller::kUnified);
  return fd >= 0 && fstat(fd, &status) == 0 ? status.st_ino : 0;
}

absl::Status Traffic::Watch(const Cgroup& cgroup) {
  const uint64_t id = IdOf(cgroup);
  if (id == 0) return absl::NotFoundError(StrCat(cgroup.path(), " has no directory in the cgroup2 tree"));
  if (watched_.contains(id)) return absl::OkStatus();
  Watched watched;
  for (const auto& [name, link] : {std::pair("truce_egress", &watched.egress), {"truce_ingress", &watched.ingress}}) {
    bpf_program* program = bpf_object__find_program_by_name(object_.get(), name);
    link->reset(bpf_program__attach_cgroup(program, cgroup.directory_fd(Controller::kUnified)));
    if (*link == nullptr) return ErrnoStatus(errno, StrCat("counting the traffic of ", cgroup.path()));
  }
  watched_.emplace(id, std::move(watched));
  return absl::OkStatus();
}

void Traffic::Forget(uint64_t cgroup_id) {
  watched_.erase(cgroup_id);
}

absl::StatusOr<uint64_t> Traffic::WatchedId(const Cgroup& cgroup) const {
  const uint64_t id = IdOf(cgroup);
  if (watched_.contains(id)) return id;
  return absl::NotFoundError(StrCat("the traffic of ", cgroup.path(), " is not counted"));
}

absl::StatusOr<TrafficTotals> Traffic::Read(const Cgroup& cgroup) const {
  TRUCE_ASSIGN_OR_RETURN(const uint64_t id, WatchedId(cgroup));
  std::vector<traffic_totals> by_cpu(static_cast<size_t>(cpus_));
  traffic_cap cap{};
  if (bpf_map_lookup_elem(totals_, &id, by_cpu.data()) != 0 || bpf_map_lookup_elem(caps_, &id, &cap) != 0) {
    return ErrnoStatus(errno, StrCat("reading the traffic of ", cgroup.path()));
  }
  TrafficTotals sum{.dropped_packets = cap.dropped_packets};
  for (const traffic_totals& one : by_cpu) {
    sum.received_bytes += one.received_bytes;
    sum.received_packets += one.received_packets;
    sum.sent_bytes += one.sent_bytes;
    sum.sent_packets += one.sent_packets;
  }
  return sum;
}

absl::StatusOr<std::optional<uint64_t>> Traffic::Cap(const Cgroup& cgroup) const {
  TRUCE_ASSIGN_OR_RETURN(const uint64_t id, WatchedId(cgroup));
  traffic_cap cap{};
  if (bpf_map_lookup_elem(caps_, &id, &cap) != 0) {
    return ErrnoStatus(errno, StrCat("reading the bound on the traffic of ", cgroup.path()));
  }
  return cap.bytes_per_second == 0 ? std::optional<uint64_t>() : cap.bytes_per_second;
}

absl::Status Traffic::SetCap(const Cgroup& cgroup, std::optional<uint64_t> bytes_per_second) {
  TRUCE_ASSIGN_OR_RETURN(const uint64_t id, WatchedId(cgroup));
  traffic_cap cap{};
  if (bpf_map_lookup_elem_flags(caps_, &id, &cap, BPF_F_LOCK) != 0) {
    return ErrnoStatus(errno, StrCat("reading the bound on the traffic of ", cgroup.path()));
  }
  cap.bytes_per_second = bytes_per_second.value_or(0);
  cap.tokens = 0;
  if (bpf_map_update_elem(caps_, &id, &cap, BPF_EXIST | BPF_F_LOCK) != 0) {
    return ErrnoStatus(errno, StrCat("bounding the traffic of ", cgroup.path()));
  }
  return absl::OkStatus();
}

}  // namespace truce::host
