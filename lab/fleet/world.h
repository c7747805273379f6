// Everything in a run of the simulated fleet that doesn't depend on who places: hosts, applications, who comes when and
// goes when, what they ask for, what they do to each other, and what is known of that. Made once for a seed and read by
// all policies.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/fleet/demand.h"
#include "lab/fleet/knowledge.h"
#include "lab/fleet/meetings.h"
#include "lab/fleet/placer.h"
#include "lab/fleet/truth.h"

namespace truce::lab::fleet {

struct WorldOptions {
  size_t hosts = 1'000;
  // Workloads that run at a time, for each host.
  double workloads_per_host = 20;
  double hours = 24;
  uint64_t seed = 1;
  // A day of PlanetLab (lab/fleet/demand.h); empty: made-up days.
  std::string traces;
  TruthOptions truth;
};

// A workload from its arrival to its end.
struct Life {
  Request request;
  // Begins to look for a host in that step, and ends at the beginning of `ends`, wherever it is.
  int32_t begins = 0;
  int32_t ends = 0;
  int32_t day = 0;
  // Into the day, at step 0.
  int32_t phase = 0;
  double pressure_factor = 1;
  double sensitivity_factor = 1;
  // What the agents' model adds to its application's error, on hurts and suffers alike.
  double said_factor = 1;
};

struct World {
  WorldOptions options;
  std::vector<HostFacts> hosts;
  Truth truth;
  Demands demands;
  // By arrival; Request::workload is the place in here.
  std::vector<Life> lives;
  // The first of them come during a warm-up that counts for nothing.
  int32_t warm_up_steps = 0;
  int32_t steps = 0;

  Knowledge perfect;
  Knowledge real;
  ModelMarks perfect_marks;
  ModelMarks real_marks;
  // Of the meetings that marks were given by.
  MeetingFacts meetings;

  double DemandCores(const Life& life, int32_t step) const;
};

// InvalidArgument for what `traces` holds or doesn't, or for numbers that make no fleet.
absl::StatusOr<World> MakeWorld(const WorldOptions& options);

// The first `hosts` hosts; more than World has go on in the same way.
std::vector<HostFacts> MakeHosts(size_t hosts);

}  // namespace truce::lab::fleet
