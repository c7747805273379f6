// What the lab measured, in one self-describing file (SQLite): who ran when and where, each second's readings as the
// agent takes them, each program's own speed, and the machine. Grows from run to run; one machine per file.
//
//   meta      key, value                 format, machine, its topology (Topology::Text), names of the readings
//   programs  name, kind, about, text    as described when they were measured
//   lives     one run of one program in a cgroup of its own: program, load, CPUs
//   samples   life, at, operations, busy_seconds, one column per reading (NULL: missing)
//   segments  a window of a meeting, in which the same lives ran and the others stood still: meeting, begin, end,
//   seconds
//             of it that count, steal_ratio, other_cores
//   members   segment, life, operations, busy_seconds, spread_ratio: how fast the life went in the seconds that count
//
// Times are seconds since the Unix epoch. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lab/meter.h"
#include "lab/program.h"
#include "src/base/reading.h"

namespace soci {
class session;
}

namespace truce::lab {

// Of the Unix epoch.
inline double UnixSeconds(absl::Time time) {
  return absl::ToDoubleSeconds(time - absl::UnixEpoch());
}

// "a\nb" with a < b: names a pair of programs, whoever comes first.
std::string PairKey(const std::string& a, const std::string& b);

struct DatasetSample {
  double at = 0;
  // In the second before `at`.
  double operations = 0;
  double busy_seconds = 0;
  Sample readings;
};

struct DatasetLife {
  int64_t id = 0;
  std::string program;
  std::string load;
  std::vector<int> cpus;
  std::vector<DatasetSample> samples;
};

struct DatasetMember {
  int64_t life = 0;
  double operations = 0;
  double busy_seconds = 0;
  // Standard error of the mean time per operation over the segment's seconds, as a share of it.
  double spread_ratio = 0;

  double seconds_per_operation() const { return operations > 0 ? busy_seconds / operations : 0; }
};

struct DatasetSegment {
  int64_t id = 0;
  // Windows of one meeting carry the same number: everybody alone in turn, and all together, over and over.
  int64_t meeting = 0;
  double begin = 0;
  double end = 0;
  // Seconds of it that count: those in which hypervisor and others left the CPUs alone.
  double seconds = 0;
  // Mean share of CPU time that the hypervisor took in them.
  double steal_ratio = 0;
  // CPU use of everything that is not a member, in cores.
  double other_cores = 0;
  std::vector<DatasetMember> members;
};

struct DatasetContent {
  std::map<std::string, std::string> meta;
  std::map<std::string, std::string> kind_of_program;
  std::map<int64_t, DatasetLife> lives;
  std::vector<DatasetSegment> segments;
};

class Dataset {
 public:
  // Opens or makes the file for more to be added. FailedPrecondition when it holds another machine's measurements or
  // another format, DataLoss when it is no data set.
  static absl::StatusOr<std::unique_ptr<Dataset>> Open(const std::string& file, const std::string& machine,
                                                       const std::string& topology);
  // Reads all of a file; NotFound when it is not there.
  static absl::StatusOr<DatasetContent> Load(const std::string& file);
  ~Dataset();

  // Adds a life or a segment under a new id, which is returned. What a life gathered goes in with AddSamples.
  // FailedPrecondition when the file knows the program by another description.
  absl::StatusOr<int64_t> Add(const DatasetLife& life, const Program& program);
  absl::Status AddSamples(const DatasetLife& life);
  absl::StatusOr<int64_t> Add(const DatasetSegment& segment);
  // A number that no meeting has yet.
  absl::StatusOr<int64_t> NewMeeting();
  // How often each pair of programs met already, by PairKey.
  absl::StatusOr<std::map<std::string, int>> PairVisits();

 private:
  explicit Dataset(std::string file);
  absl::Status Guard(std::string_view what, const std::function<void()>& body) const;

  const std::string file_;
  std::unique_ptr<soci::session> sql_;
};

}  // namespace truce::lab
