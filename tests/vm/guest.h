// A machine under QEMU's software emulation, booted from what tests/vm/image.sh makes: systemd, cgroup v2, two CPUs.
// The test runs scripts in it over a serial line, so that it needs no network for that, and cuts its network over QMP.
// The disk goes back to what it was when the guest ends.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "src/base/child_process.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "tests/e2e/fleet.h"

namespace truce::vm {

// An emulated machine on a busy one takes its time.
inline constexpr absl::Duration kBootPatience = absl::Minutes(5);
inline constexpr absl::Duration kScriptPatience = absl::Minutes(3);
// Asks `condition` once a second until it holds or patience ends: a question costs the emulated machines time.
inline bool Eventually(const std::function<bool()>& condition, absl::Duration patience = absl::Minutes(4)) {
  const absl::Time deadline = absl::Now() + patience;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Seconds(1));
  }
  return true;
}
// The address of this machine as a guest sees it.
inline constexpr char kOutside[] = "10.0.2.2";

// Lines over a socket of QEMU's.
class LineSocket {
 public:
  bool Connect(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) return false;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    fd_ = host::UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  bool Send(const std::string& line) {
    const std::string text = line + "\n";
    return send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  // The next line without its end; false when none came in time.
  bool Receive(std::string* line, absl::Duration patience) {
    const absl::Time deadline = absl::Now() + patience;
    size_t end = 0;
    while ((end = buffer_.find('\n')) == std::string::npos) {
      const absl::Duration left = deadline - absl::Now();
      if (left <= absl::ZeroDuration()) return false;
      const timeval limit = absl::ToTimeval(left);
      setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
      char chunk[4096];
      const ssize_t count = recv(fd_.get(), chunk, sizeof(chunk), 0);
      if (count <= 0) return false;
      buffer_.append(chunk, static_cast<size_t>(count));
    }
    *line = buffer_.substr(0, end);
    while (line->ends_with('\r')) line->pop_back();
    buffer_.erase(0, end + 1);
    return true;
  }

 private:
  host::UniqueFd fd_;
  std::string buffer_;
};

class Guest {
 public:
  // `image`: what image.sh made; `disk`: a file system that the guest sees as its second disk; `directory`: for logs
  // and sockets. Starts to boot.
  Guest(std::string name, const std::string& image, const std::string& disk, const std::string& directory)
      : name_(std::move(name)), at_(StrCat(directory, "/", name_)) {
    ChildOptions options;
    options.log_file = at_ + ".qemu.log";
    options.arguments = {"qemu-system-x86_64",
                         "-accel",
                         "tcg,thread=multi",
                         "-cpu",
                         "max",
                         "-smp",
                         "2",
                         "-m",
                         "768",
                         "-display",
                         "none",
                         "-nodefaults",
                         "-no-reboot",
                         "-kernel",
                         image + "/vmlinuz",
                         "-initrd",
                         image + "/initrd.img",
                         "-append",
                         "root=/dev/vda rw console=ttyS0 quiet psi=1 mitigations=off audit=0",
                         "-drive",
                         StrCat("file=", image, "/root.ext4,if=virtio,format=raw,snapshot=on"),
                         "-drive",
                         StrCat("file=", disk, ",if=virtio,format=raw,snapshot=on"),
                         "-netdev",
                         "user,id=net0",
                         "-device",
                         "virtio-net-pci,netdev=net0,id=nic0",
                         "-device",
                         "virtio-rng-pci",
                         "-serial",
                         StrCat("file:", at_, ".console"),
                         "-serial",
                         StrCat("unix:", at_, ".control,server=on,wait=off"),
                         "-qmp",
                         StrCat("unix:", at_, ".qmp,server=on,wait=off")};
    auto process = ChildProcess::Start(options);
    EXPECT_TRUE(process.ok()) << process.status();
    if (process.ok()) process_.emplace(*std::move(process));
  }
  ~Guest() {
    if (!testing::UnitTest::GetInstance()->Failed()) return;
    for (const char* log : {".console", ".qemu.log"}) {
      const std::string text = e2e::ReadText(at_ + log);
      std::fprintf(stderr, "--- %s%s\n%s\n", name_.c_str(), log,
                   text.substr(text.size() - std::min<size_t>(text.size(), 6000)).c_str());
    }
  }

  const std::string& name() const { return name_; }

  // Waits until the guest takes scripts and systemd has started what it starts at boot.
  bool WaitForBoot() {
    const absl::Time deadline = absl::Now() + kBootPatience;
    while (absl::Now() < deadline && process_ && process_->Running()) {
      absl::SleepFor(absl::Seconds(1));
      control_ = LineSocket();
      if (!control_.Connect(at_ + ".control")) continue;
      // What was sent before the guest listened is lost, so it is asked again.
      const auto state = Ask("systemctl is-system-running", absl::Seconds(10));
      if (state && (state->output.starts_with("running") || state->output.starts_with("degraded"))) return true;
    }
    return false;
  }

  // Runs a script in the guest's shell, as root.
  e2e::Outcome Run(const std::string& script) {
    if (auto outcome = Ask(script, kScriptPatience)) return *outcome;
    ADD_FAILURE() << name_ << " did not answer to: " << script;
    return {};
  }
  // The output of a script that must succeed, without its last newline.
  std::string Get(const std::string& script) {
    Outcome outcome = Run(script);
    EXPECT_EQ(outcome.exit_code, 0) << name_ << ": " << script << "\n" << outcome.output;
    while (outcome.output.ends_with('\n')) outcome.output.pop_back();
    return outcome.output;
  }
  // Writes a file with `content`.
  void Put(const std::string& file, const std::string& content, const std::string& mode = "0644") {
    Get(StrCat("mkdir -p $(dirname ", file, ") && base64 -d >", file, " <<'END'\n", absl::Base64Escape(content),
               "\nEND\nchmod ", mode, " ", file));
  }
  // Pulls the network's plug, or puts it back.
  void SetLink(bool up) {
    LineSocket monitor;
    std::string line;
    ASSERT_TRUE(monitor.Connect(at_ + ".qmp"));
    ASSERT_TRUE(monitor.Receive(&line, absl::Seconds(10)));  // the greeting
    for (const std::string& command :
         {std::string(R"({"execute":"qmp_capabilities"})"),
          StrCat(R"({"execute":"set_link","arguments":{"name":"nic0","up":)", up ? "true" : "false", "}}")}) {
      ASSERT_TRUE(monitor.Send(command));
      do {
        ASSERT_TRUE(monitor.Receive(&line, absl::Seconds(10)));
      } while (line.find("\"return\"") == std::string::npos && line.find("\"error\"") == std::string::npos);
      ASSERT_EQ(line.find("\"error\""), std::string::npos) << line;
    }
  }

 private:
  using Outcome = e2e::Outcome;

  // Sends a script and waits for its own answer; those to earlier ones, which came too late, are thrown away.
  std::optional<Outcome> Ask(const std::string& script, absl::Duration patience) {
    const std::string number = StrCat(++asked_, " ");
    if (!control_.Send(number + absl::Base64Escape(script))) return std::nullopt;
    const absl::Time deadline = absl::Now() + patience;
    std::string answer;
    while (control_.Receive(&answer, deadline - absl::Now())) {
      if (!answer.starts_with(number)) continue;
      const std::string rest = answer.substr(number.size());
      Outcome outcome;
      outcome.exit_code = std::atoi(rest.c_str());
      // An echo of what was sent has no blank here.
      if (rest.find(' ') == std::string::npos) continue;
      absl::Base64Unescape(rest.substr(rest.find(' ') + 1), &outcome.output);
      return outcome;
    }
    return std::nullopt;
  }

  const std::string name_;
  const std::string at_;
  int asked_ = 0;
  std::optional<ChildProcess> process_;
  LineSocket control_;
};

}  // namespace truce::vm
