// trucectl: what operators type. Hands the process's arguments, environment and streams to the command line of app.h.
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "controller/cli/app.h"

extern char** environ;

namespace {

// Paces --watch on a real terminal: sleeps between redraws, and makes Ctrl-C the way to say "enough".
class TerminalPacer final : public truce::cli::Pacer {
 public:
  void Begin() override {
    // Every block is flushed when it is printed, so nothing is lost by leaving at once, even during a call.
    struct sigaction action {};
    action.sa_handler = [](int) { _exit(0); };
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
  }
  bool Wait(absl::Duration duration) override {
    absl::SleepFor(duration);
    return true;
  }
};

std::map<std::string, std::string> Environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string::npos) variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return variables;
}

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace

int main(int argc, char** argv) {
  // gRPC would tell of a failed handshake a second time, in its own words.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  TerminalPacer pacer;
  truce::cli::Console console{.in = std::cin,
                              .out = std::cout,
                              .err = std::cerr,
                              .clock = truce::SystemClock(),
                              .pacer = pacer,
                              .environment = Environment(),
                              .host_name = HostName()};
  console.terminal = isatty(STDOUT_FILENO) == 1;
  winsize size{};
  if (console.terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) console.width = size.ws_col;
  return truce::cli::Run({argv + 1, argv + argc}, console);
}
