// How the agents and the scheduler of the simulated fleet reach a controller. Called by one thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "truce/v1/agent.pb.h"
#include "truce/v1/scheduler.pb.h"

namespace truce::lab::fleet {

class ControllerLink {
 public:
  virtual ~ControllerLink() = default;

  // An agent connects; its host has the next number, from 0.
  virtual absl::Status Connect(const v1::Hello& hello) = 0;
  // The host's agent reports. Whatever is asked next is answered by what it says.
  virtual absl::Status Report(size_t host, const v1::Report& report) = 0;
  // So much time passes in the simulation. A controller with a clock of its own takes no notice.
  virtual void Elapse(absl::Duration time) = 0;

  // SchedulerService, with its errors.
  virtual absl::StatusOr<v1::PlaceResponse> Place(const v1::PlaceRequest& request) = 0;
  virtual absl::StatusOr<v1::ScoreHostsResponse> ScoreHosts(const v1::ScoreHostsRequest& request) = 0;
  virtual absl::StatusOr<v1::ReserveResponse> Reserve(const v1::ReserveRequest& request) = 0;
  virtual absl::StatusOr<v1::ReleaseResponse> Release(const v1::ReleaseRequest& request) = 0;
  // An advice that was begun after everything that was reported. A controller behind an API has a limit of its own.
  virtual absl::StatusOr<v1::Advice> Advise(int32_t most_moves) = 0;
};

}  // namespace truce::lab::fleet
