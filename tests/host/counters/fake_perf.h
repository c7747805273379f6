// A kernel that has perf events as the test says: which can be opened, how many, and what they count.
#pragma once

#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "src/host/counters_syscalls.h"

namespace truce::host {

class FakePerf final : public PerfSyscalls {
 public:
  // errno for an event that can't be opened, 0 for one that can.
  std::function<int(const PerfEvent&, const PerfTarget&, int cpu)> refuse = [](const auto&, const auto&, int) {
    return 0;
  };
  // Descriptors that the process has.
  size_t most_open = 1 << 20;

  // Lets time pass for every enabled group: each of its events counts `count(name)`, and the group was on the PMU for
  // `running_ns` of `enabled_ns`.
  void Run(uint64_t enabled_ns, uint64_t running_ns, const std::function<uint64_t(const std::string&)>& count) {
    for (auto& [fd, event] : open_) {
      const Event& leader = open_.at(event.leader);
      if (!leader.enabled) continue;
      event.value += count(event.name);
      if (fd == event.leader) {
        event.enabled_ns += enabled_ns;
        event.running_ns += running_ns;
      }
    }
  }
  size_t open() const { return open_.size(); }
  size_t enabled_groups() const {
    size_t enabled = 0;
    for (const auto& [fd, event] : open_) enabled += event.enabled ? 1 : 0;
    return enabled;
  }
  std::vector<std::string> open_names() const {
    std::vector<std::string> names;
    for (const auto& [fd, event] : open_) names.push_back(event.name);
    return names;
  }

  int Open(const PerfEvent& event, const PerfTarget& target, int cpu, int group_fd) override {
    if (const int error = refuse(event, target, cpu); error != 0) return -error;
    if (open_.size() >= most_open) return -EMFILE;
    const int fd = next_++;
    open_[fd] = {event.name, group_fd < 0 ? fd : group_fd};
    return fd;
  }
  int Id(int fd, uint64_t* id) override {
    *id = static_cast<uint64_t>(fd) + 1000;
    return 0;
  }
  int SetGroupEnabled(int leader_fd, bool enabled) override {
    open_.at(leader_fd).enabled = enabled;
    return 0;
  }
  ssize_t Read(int fd, void* buffer, size_t size) override {
    std::vector<uint64_t> words = {0, open_.at(fd).enabled_ns, open_.at(fd).running_ns};
    for (const auto& [member, event] : open_) {
      if (event.leader != fd) continue;
      ++words[0];
      words.push_back(event.value);
      words.push_back(static_cast<uint64_t>(member) + 1000);
    }
    if (size < words.size() * sizeof(uint64_t)) return -ENOSPC;
    std::memcpy(buffer, words.data(), words.size() * sizeof(uint64_t));
    return static_cast<ssize_t>(words.size() * sizeof(uint64_t));
  }
  void Close(int fd) override { open_.erase(fd); }

 private:
  struct Event {
    std::string name;
    int leader = -1;
    bool enabled = false;
    uint64_t value = 0;
    uint64_t enabled_ns = 0;
    uint64_t running_ns = 0;
  };
  std::map<int, Event> open_;
  int next_ = 3;
};

}  // namespace truce::host
