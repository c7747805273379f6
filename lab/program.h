// A program that the lab measures, as its file in lab/programs describes it. Adding one needs no code.
//
//   about:     one line for people
//   kind:      groups programs in tables ("compression", "server", ...)
//   packages:  Debian packages that bring it
//   needs:     commands that must be there; a program that lacks one is left out, and said to be
//   setup:     shell, run once before the first start, in DATA; what it makes is there for good only if it succeeds
// and one of
//   operation: shell, run again and again; each run is one operation. One loop per thread
//   worker:    a script that goes on for ever and prints one line per operation. One per thread
//   run:       a script that goes on for ever, started once: servers with their client, programs with threads
// Lines on stdout are "BEGIN END [COUNT [BUSY]]": wall clock in seconds, operations (1), and the time that they took in
// sum (END - BEGIN). Or, with
//   progress:  a regular expression (RE2) whose first group is a rate, operations per second, printed once a second
//
// Scripts run in bash with DATA (the data directory), SCRATCH (a directory of this run's own, in which they start and
// which goes away with them), THREADS, WORKER (1 to THREADS), CONNECTIONS, PORT (a free one),
// REST (time to rest after each operation, in units of the time that it took; 0 under high load) and LOAD (truce-lab's
// own client of servers, see load.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace truce::lab {

struct Program {
  std::string name;
  std::string about;
  std::string kind;
  std::vector<std::string> packages;
  std::vector<std::string> needs;
  std::string setup;
  std::string operation;
  std::string worker;
  std::string run;
  std::string progress;
  // The file's text, kept with what was measured.
  std::string text;
};

// InvalidArgument with file and line for what is wrong in it, NotFound when it is missing.
absl::StatusOr<Program> ReadProgram(const std::string& file);
// Names of every *.yaml in `directory`, sorted; NotFound when there is none, with the `flag` that names another one.
absl::StatusOr<std::vector<std::string>> YamlFiles(const std::string& directory, const std::string& flag);
// Every *.yaml in `directory`, by name. All of them must be readable.
absl::StatusOr<std::vector<Program>> ReadPrograms(const std::string& directory);
// Where programs are looked up: the distribution's own, whatever the caller's PATH prefers.
inline constexpr std::string_view kSearchPath = "/usr/sbin:/usr/bin:/sbin:/bin";
// Commands that `program` needs and that are not there.
std::vector<std::string> MissingCommands(const Program& program);

}  // namespace truce::lab
