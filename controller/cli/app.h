// The whole of trucectl behind one call: arguments in, text out, exit code back. main.cc calls it with the process's
// own streams, tests with theirs.
#pragma once

#include <istream>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "src/base/clock.h"

namespace truce::cli {

// Paces --watch.
class Pacer {
 public:
  virtual ~Pacer() = default;
  // Called once before the first block: from here on an interrupt ends the program with exit code 0.
  virtual void Begin() = 0;
  // Waits until the next block is due. False ends the watch.
  virtual bool Wait(absl::Duration duration) = 0;
};

// Everything outside the program that it may touch, besides the controller and the files that the user names.
struct Console {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  const Clock& clock;
  Pacer& pacer;
  // TRUCE_SERVER, TRUCE_CA, TRUCE_CERT, TRUCE_KEY and NO_COLOR are looked up here.
  std::map<std::string, std::string> environment;
  // This machine's name, for the certificate of a controller that runs here.
  std::string host_name;
  // Whether `out` is a terminal: colour, redrawing and eliding happen only there.
  bool terminal = false;
  // Columns of the terminal; 0 when not known, which means no limit.
  int width = 0;
};

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// Runs `trucectl ARGUMENTS...` (without the program's name). Data goes to console.out, messages to console.err.
int Run(const std::vector<std::string>& arguments, Console& console);

}  // namespace truce::cli
