#include "controller/serve/extender.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "truce/v1/extender.pb.h"

namespace truce::controller {
namespace {

// Kubernetes' MaxExtenderPriority.
constexpr int kMostPriority = 10;
// Of a node of which nothing is known: neither sought nor shunned.
constexpr int kUnknownPriority = 5;

struct Question {
  v1::WorkloadDescription workload;
  std::vector<std::string> nodes;
  // They came as whole objects instead of names.
  bool whole_nodes = false;
};

template <typename Message>
std::string ToJson(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options).ok()) json.clear();
  return json;
}

// 0 when it asks for none of it.
absl::StatusOr<double> Requested(const google::protobuf::Map<std::string, std::string>& requests,
                                 const std::string& resource) {
  const auto found = requests.find(resource);
  if (found == requests.end()) return 0.0;
  auto quantity = ParseQuantity(found->second);
  if (!quantity.ok()) {
    return absl::InvalidArgumentError(StrCat("the request of ", resource, ": ", StdView(quantity.status().message())));
  }
  return quantity;
}

// All containers together, or the largest of those that run before them alone, and what the pod itself needs.
absl::StatusOr<double> RequestedByPod(const v1::ExtenderPodSpec& spec, const std::string& resource) {
  double together = 0;
  for (const auto& container : spec.containers()) {
    TRUCE_ASSIGN_OR_RETURN(const double one, Requested(container.resources().requests(), resource));
    together += one;
  }
  for (const auto& container : spec.init_containers()) {
    TRUCE_ASSIGN_OR_RETURN(const double one, Requested(container.resources().requests(), resource));
    together = std::max(together, one);
  }
  TRUCE_ASSIGN_OR_RETURN(const double overhead, Requested(spec.overhead(), resource));
  return together + overhead;
}

std::string Label(const v1::ExtenderPod& pod, const std::string& name) {
  const auto found = pod.metadata().labels().find(name);
  return found == pod.metadata().labels().end() ? "" : found->second;
}

v1::WorkloadClass ClassOf(const v1::ExtenderPod& pod) {
  const std::string word = Label(pod, "truce.io/class");
  if (word == "critical") return v1::WORKLOAD_CLASS_CRITICAL;
  if (word == "best_effort") return v1::WORKLOAD_CLASS_BEST_EFFORT;
  return v1::WORKLOAD_CLASS_STANDARD;
}

absl::StatusOr<v1::WorkloadDescription> DescribePod(const v1::ExtenderPod& pod) {
  v1::WorkloadDescription workload;
  const std::string application = Label(pod, "app.kubernetes.io/name");
  workload.set_application(application.empty() ? Label(pod, "app") : application);
  workload.set_workload_class(ClassOf(pod));
  workload.set_priority(pod.spec().priority());
  TRUCE_ASSIGN_OR_RETURN(const double cores, RequestedByPod(pod.spec(), "cpu"));
  TRUCE_ASSIGN_OR_RETURN(const double bytes, RequestedByPod(pod.spec(), "memory"));
  workload.set_cpu_cores(cores);
  workload.set_memory_bytes(static_cast<uint64_t>(std::min(bytes, 9e18)));
  return workload;
}

// The nodes are known even when the pod can't be understood: whoever fails open answers with all of them.
absl::Status Parse(std::string_view body, Question* question) {
  v1::ExtenderRequest request;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto parsed = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(body.data(), body.size()), &request, options);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(StrCat("this is no ExtenderArgs: ", std::string(parsed.message())));
  }
  question->nodes.assign(request.node_names().begin(), request.node_names().end());
  question->whole_nodes = question->nodes.empty() && !request.nodes().items().empty();
  if (question->whole_nodes) {
    for (const auto& node : request.nodes().items()) question->nodes.push_back(node.metadata().name());
  }
  TRUCE_ASSIGN_OR_RETURN(question->workload, DescribePod(request.pod()));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<double> ParseQuantity(std::string_view text) {
  // Longest first: "Mi" ends in no other, "m" and "M" do.
  static constexpr std::pair<std::string_view, double> kSuffixes[] = {
      {"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50},
      {"Ei", 0x1p60}, {"n", 1e-9},    {"u", 1e-6},    {"m", 1e-3},    {"k", 1e3},
      {"M", 1e6},     {"G", 1e9},     {"T", 1e12},    {"P", 1e15},    {"E", 1e18}};
  double unit = 1;
  std::string_view number = text;
  for (const auto& [suffix, factor] : kSuffixes) {
    if (!text.ends_with(suffix)) continue;
    unit = factor;
    number.remove_suffix(suffix.size());
    break;
  }
  double value = 0;
  // Kubernetes knows neither hexadecimal nor "inf" and "nan".
  const bool plain = !number.empty() && number.find_first_not_of("0123456789.eE+-") == std::string_view::npos;
  if (!plain || !absl::SimpleAtod(absl::string_view(number.data(), number.size()), &value) || !(value >= 0) ||
      !std::isfinite(value * unit)) {
    return absl::InvalidArgumentError(StrCat("\"", text.substr(0, 40), "\" is no quantity such as 500m or 2Gi"));
  }
  return value * unit;
}

absl::StatusOr<v1::ScoreHostsResponse> Extender::Ask(const absl::Status& status,
                                                     const v1::WorkloadDescription& workload) const {
  TRUCE_RETURN_IF_ERROR(status);
  v1::ScoreHostsRequest request;
  *request.mutable_workload() = workload;
  return score_hosts_(request);
}

std::string Extender::Filter(std::string_view body, std::string* problem) const {
  v1::ExtenderFilterResponse response;
  Question question;
  absl::Status status = Parse(body, &question);
  if (status.ok() && question.whole_nodes) {
    // The answer would have to repeat them.
    status = absl::InvalidArgumentError("whole nodes were sent; set nodeCacheCapable: true for this extender");
  }
  const auto scores = Ask(status, question.workload);
  if (!scores.ok()) {
    response.set_error(StrCat("truce: ", StdView(scores.status().message())));
    if (problem != nullptr) *problem = response.error();
    return ToJson(response);
  }
  std::map<std::string, const v1::HostScore*> known;
  for (const v1::HostScore& score : scores->hosts()) known[score.host()] = &score;
  for (const std::string& node : question.nodes) {
    const auto found = known.find(node);
    // Kubernetes knows itself whether a node is there: only what Truce knows to be full is kept out.
    if (found == known.end() || found->second->fits() || !found->second->connected()) {
      response.add_node_names(node);
    } else {
      (*response.mutable_failed_nodes())[node] = StrCat("truce: ", found->second->reason());
    }
  }
  return ToJson(response);
}

std::string Extender::Prioritize(std::string_view body, std::string* problem) const {
  Question question;
  const absl::Status status = Parse(body, &question);
  const auto scores = Ask(status, question.workload);
  std::map<std::string, const v1::HostScore*> known;
  if (scores.ok()) {
    for (const v1::HostScore& score : scores->hosts()) known[score.host()] = &score;
  } else if (problem != nullptr) {
    *problem = std::string(StdView(scores.status().message()));
  }
  // Against the best of them: what is a full host dearer than that comes last, and on a busy fleet, where all are dear,
  // a node of which nothing is known must not come first for that.
  double best = std::numeric_limits<double>::infinity();
  for (const auto& [_, score] : known) {
    if (score->fits()) best = std::min(best, score->price());
  }
  const auto priority_of = [best](const v1::HostScore& score) {
    if (!score.connected()) return kUnknownPriority;
    if (!score.fits()) return 0;
    return static_cast<int>(std::lround(kMostPriority * std::clamp(1 - (score.price() - best), 0.0, 1.0)));
  };
  std::string list = "[";
  for (const std::string& node : question.nodes) {
    const auto found = known.find(node);
    v1::ExtenderPriority priority;
    priority.set_host(node);
    priority.set_score(found == known.end() ? kUnknownPriority : priority_of(*found->second));
    StrAppend(&list, list.size() == 1 ? "" : ",", ToJson(priority));
  }
  return list + "]";
}

}  // namespace truce::controller
