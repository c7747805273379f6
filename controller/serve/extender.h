// A Kubernetes scheduler extender: kube-scheduler asks over HTTP which nodes a pod may go to and which suit it best.
// Hard limits alone keep a node out; contention only makes it rank lower, and a node without an agent, or anything that
// goes wrong here, keeps nobody from being scheduled. Pure but for the questions that it asks.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "truce/v1/scheduler.pb.h"

namespace truce::controller {

// Of bytes and cores: "500m", "2", "1.5Gi", "128974848", "1e3". InvalidArgument names it. Kubernetes'
// resource.Quantity.
absl::StatusOr<double> ParseQuantity(std::string_view text);

class Extender {
 public:
  using ScoreHosts = std::function<absl::StatusOr<v1::ScoreHostsResponse>(const v1::ScoreHostsRequest&)>;

  // `score_hosts` is ControllerCore's; thread-safe.
  explicit Extender(ScoreHosts score_hosts) : score_hosts_(std::move(score_hosts)) {}

  // Each takes the JSON of an ExtenderArgs and gives that of an ExtenderFilterResult or a HostPriorityList. What is
  // wrong with a filter's question is in its answer, as kube-scheduler wants it; a question about priorities can't be
  // answered with an error, so all nodes are equal then and `problem` says why. `problem` may be null.
  std::string Filter(std::string_view body, std::string* problem = nullptr) const;
  std::string Prioritize(std::string_view body, std::string* problem = nullptr) const;

 private:
  // Of a question that could be understood; else `status`.
  absl::StatusOr<v1::ScoreHostsResponse> Ask(const absl::Status& status, const v1::WorkloadDescription& workload) const;

  ScoreHosts score_hosts_;
};

}  // namespace truce::controller
