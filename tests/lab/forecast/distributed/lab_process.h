// A truce-lab that trains, as a process of its own.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "src/base/child_process.h"

namespace truce::test {

class LabProcess {
 public:
  // `log` is a file that gets what it says.
  LabProcess(std::vector<std::string> arguments, std::string log) : log_(std::move(log)), child_(Start(arguments)) {}

  int pid() const { return child_.pid(); }
  std::string Said() const {
    std::ostringstream text;
    text << std::ifstream(log_).rdbuf();
    return text.str();
  }
  // Until it has said so, or has ended; whether it has.
  bool WaitToSay(const std::string& words) {
    while (Said().find(words) == std::string::npos && child_.Running()) absl::SleepFor(absl::Milliseconds(10));
    return Said().find(words) != std::string::npos;
  }
  // Until it ends by itself; its exit code.
  int Wait() {
    while (child_.Running()) absl::SleepFor(absl::Milliseconds(10));
    return child_.Stop();
  }

 private:
  ChildProcess Start(const std::vector<std::string>& arguments) const {
    ChildOptions options;
    options.arguments = {TRUCE_BIN_DIR "/truce-lab", "train", "forecast"};
    options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
    options.log_file = log_;
    return *ChildProcess::Start(options);
  }

  const std::string log_;
  ChildProcess child_;
};

// On which nobody listens now.
inline int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no port of the loopback interface is free");
  }
  close(fd);
  return ntohs(address.sin_port);
}

// The processes that one started and that are there.
inline std::vector<int> ChildrenOf(int pid) {
  std::vector<int> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream status(entry.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line == "PPid:\t" + std::to_string(pid)) children.push_back(std::stoi(name));
    }
  }
  return children;
}

}  // namespace truce::test
