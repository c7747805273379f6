#include "src/base/program.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <utility>

#include "absl/time/clock.h"
#include "src/base/child_process.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce {
namespace {

constexpr size_t kLongestOutput = size_t{1} << 20;
constexpr size_t kLongestLine = 1000;
// Of stderr only the end is kept.
constexpr size_t kErrorTail = 16 * kLongestLine;
// How soon the end of the program, or a wish to cancel it, is noticed.
constexpr int kLookEveryMs = 20;

// A file descriptor that closes itself. (src/host has a finer one, which this room may not use.)
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void Set(int fd) {
    Close();
    fd_ = fd;
  }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

// One stream of the program: a pipe whose near end doesn't block.
struct Stream {
  Descriptor near;
  Descriptor far;
  std::string text;

  absl::Status Open() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "making a pipe");
    near.Set(ends[0]);
    far.Set(ends[1]);
    fcntl(near.get(), F_SETFL, O_NONBLOCK);
    return absl::OkStatus();
  }

  // Takes what is there; closes the pipe at its end.
  void Read() {
    char chunk[4096];
    while (near.get() >= 0) {
      const ssize_t got = read(near.get(), chunk, sizeof chunk);
      if (got > 0) {
        text.append(chunk, static_cast<size_t>(got));
        return;
      }
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      near.Close();
    }
  }
  // The rest that is there now.
  void Drain(size_t most) {
    for (size_t before = text.size() + 1; near.get() >= 0 && text.size() != before && text.size() < most;) {
      before = text.size();
      Read();
    }
  }
};

// In memory, so that nobody waits for a program that doesn't read it.
absl::Status FillInput(const std::string& input, Descriptor& file) {
  file.Set(memfd_create("input", MFD_CLOEXEC));
  if (file.get() < 0) return ErrnoStatus(errno, "making a file for the input");
  for (size_t done = 0; done < input.size();) {
    const ssize_t count = write(file.get(), input.data() + done, input.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return ErrnoStatus(errno, "writing the input");
    done += static_cast<size_t>(count);
  }
  if (lseek(file.get(), 0, SEEK_SET) != 0) return ErrnoStatus(errno, "rewinding the input");
  return absl::OkStatus();
}

std::string LastLine(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find_last_not_of(" \t\r\n");
    if (end == std::string_view::npos) return "";
    text = text.substr(0, end + 1);
    const size_t begin = text.rfind('\n') + 1;  // npos + 1 is 0
    const std::string_view line = text.substr(begin);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) return std::string(line.substr(0, kLongestLine));
    text = text.substr(0, begin);
  }
  return "";
}

}  // namespace

absl::StatusOr<ProgramResult> RunProgram(const ProgramOptions& options) {
  Descriptor input;
  Stream output;
  Stream error;
  TRUCE_RETURN_IF_ERROR(FillInput(options.input, input));
  TRUCE_RETURN_IF_ERROR(output.Open());
  TRUCE_RETURN_IF_ERROR(error.Open());
  TRUCE_ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::Start({.arguments = options.arguments,
                                                                  .output_fd = output.far.get(),
                                                                  .error_fd = error.far.get(),
                                                                  .input_fd = input.get(),
                                                                  .before_exec = [&options]() -> absl::Status {
                                                                    // Kernels before 5.11 can't; there it rests with
                                                                    // whoever opened them.
                                                                    (void)close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
                                                                    return options.before_start ? options.before_start()
                                                                                                : absl::OkStatus();
                                                                  }}));
  output.far.Close();
  error.far.Close();

  ProgramResult result;
  absl::Time deadline = absl::Now() + options.patience;
  while (child.Running()) {
    pollfd streams[] = {{output.near.get(), POLLIN, 0}, {error.near.get(), POLLIN, 0}};
    (void)poll(streams, 2, kLookEveryMs);
    output.Read();
    error.Read();
    if (output.text.size() > kLongestOutput) output.text.resize(kLongestOutput);
    if (error.text.size() > 2 * kErrorTail) error.text.erase(0, error.text.size() - kErrorTail);

    const bool told = result.end != ProgramResult::End::kByItself;
    if (told && absl::Now() >= deadline) {
      child.Kill();
    } else if (!told && options.cancelled != nullptr && options.cancelled->load()) {
      result.end = ProgramResult::End::kCancelled;
    } else if (!told && absl::Now() >= deadline) {
      result.end = ProgramResult::End::kTimedOut;
    }
    if (!told && result.end != ProgramResult::End::kByItself) {
      kill(child.pid(), SIGTERM);
      deadline = absl::Now() + options.grace;
    }
  }
  result.exit_code = child.Stop();
  output.Drain(kLongestOutput);
  error.Drain(kLongestOutput);
  result.output = std::move(output.text).substr(0, kLongestOutput);
  result.last_error = LastLine(error.text);
  return result;
}

}  // namespace truce
