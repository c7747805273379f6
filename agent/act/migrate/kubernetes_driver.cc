// Pods: the cluster is asked to evict one, and its scheduler starts another like it elsewhere. So this host only sends;
// nothing is copied, and nothing can be taken back. What the scheduler should avoid, it is told by others.
#include <httplib.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "agent/act/migrate/driver_words.h"
#include "agent/act/migrate/drivers.h"
#include "google/protobuf/util/json_util.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::agent {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

constexpr time_t kConnectSeconds = 3;
constexpr time_t kAnswerSeconds = 10;
constexpr absl::Duration kPoll = absl::Seconds(1);
constexpr int kTooManyRequests = 429;

// The pod's uid in the name of its cgroup: "kubepods-burstable-pod0f3a_....slice", where systemd has underscores for
// dashes, or "kubepods/burstable/pod0f3a-...". Empty when there is none.
std::string UidIn(std::string_view workload) {
  if (!workload.starts_with("kubepods")) return "";
  const size_t slash = workload.rfind('/');
  std::string_view name = slash == std::string_view::npos ? workload : workload.substr(slash + 1);
  if (name.ends_with(".slice")) name.remove_suffix(6);
  const size_t pod = name.rfind("pod");
  if (pod == std::string_view::npos || (pod > 0 && name[pod - 1] != '-')) return "";
  std::string uid(name.substr(pod + 3));
  for (char& c : uid) {
    if (c == '_') c = '-';
  }
  return uid;
}

// What the API server says of one thing, or why not.
struct Reply {
  int code = 0;
  Struct body;
};

std::string Said(const Reply& reply) {
  const std::string message = JsonText(reply.body, "message");
  return message.empty() ? StrCat("HTTP status ", reply.code) : message;
}

struct Pod {
  std::string space;
  std::string name;
  std::string uid;
  bool running = false;
  bool going = false;
  // The kind of what would start another one in its place; empty: nobody would.
  std::string owner;
};

Pod PodOf(const Struct& object) {
  const Struct& metadata = JsonObject(object, "metadata");
  Pod pod{
      .space = JsonText(metadata, "namespace"), .name = JsonText(metadata, "name"), .uid = JsonText(metadata, "uid")};
  pod.running = JsonText(JsonObject(object, "status"), "phase") == "Running";
  pod.going = metadata.fields().contains("deletionTimestamp");
  if (const auto owners = metadata.fields().find("ownerReferences"); owners != metadata.fields().end()) {
    for (const Value& owner : owners->second.list_value().values()) {
      const auto controller = owner.struct_value().fields().find("controller");
      if (controller != owner.struct_value().fields().end() && controller->second.bool_value()) {
        pod.owner = JsonText(owner.struct_value(), "kind");
      }
    }
  }
  return pod;
}

class KubernetesDriver final : public MigrationDriver {
 public:
  explicit KubernetesDriver(const MigrationSettings& settings) : settings_(settings), api_(settings.kubernetes_api) {
    const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
    const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
    // What every pod is told, the agent's own as well.
    if (api_.empty() && host != nullptr && port != nullptr) api_ = StrCat("https://", host, ":", port);
    while (api_.ends_with('/')) api_.pop_back();
  }

  std::string_view name() const override { return "kubernetes"; }
  absl::Status Ready() override;
  bool CanMove(const Movable& workload) override { return !UidIn(workload.workload).empty(); }

  absl::StatusOr<DriverMemory> Recall(const v1::MigrationOrder& order, const Movable& workload) override;
  absl::StatusOr<DriverMemory> Plan(const v1::MigrationOrder& /*order*/) override { return NoTarget(); }
  absl::StatusOr<Reservation> Reserve(const v1::MigrationOrder& /*order*/, const DriverMemory& /*plan*/) override {
    return NoTarget();
  }
  absl::StatusOr<MoveOutcome> Move(const v1::MigrationOrder& order, const DriverMemory& memory,
                                   MoveControl& control) override;
  absl::StatusOr<Presence> Look(const v1::MigrationOrder& order, const DriverMemory& memory) override;
  // The cluster removes it.
  absl::Status Leave(const v1::MigrationOrder& /*order*/, const DriverMemory& /*memory*/) override {
    return absl::OkStatus();
  }
  absl::Status Settle(const v1::MigrationOrder& /*order*/, const DriverMemory& /*memory*/) override {
    return NoTarget();
  }
  absl::Status Resume(const v1::MigrationOrder& /*order*/, const DriverMemory& /*memory*/) override {
    return absl::UnimplementedError("a pod that was evicted can't be taken back; the cluster starts another one");
  }
  absl::Status Drop(const v1::MigrationOrder& /*order*/, const DriverMemory& /*memory*/) override {
    return absl::OkStatus();
  }

 private:
  static absl::Status NoTarget() {
    return absl::UnimplementedError("the cluster's scheduler chooses where a pod goes; no host is asked to receive it");
  }
  absl::StatusOr<Reply> Get(const std::string& path) const;
  absl::StatusOr<Reply> Post(const std::string& path, const std::string& body) const;
  // A client of its own for each request: tokens and certificates are replaced while the agent runs.
  absl::StatusOr<std::unique_ptr<httplib::Client>> Client(httplib::Headers* headers) const;
  absl::StatusOr<Reply> Answer(const httplib::Result& result) const;
  absl::StatusOr<Pod> FindPod(const std::string& uid) const;
  // nullopt when it is gone from this host.
  absl::StatusOr<std::optional<Pod>> PodAt(const DriverMemory& memory) const;
  absl::Status Evict(const DriverMemory& memory) const;

  MigrationSettings settings_;
  std::string api_;
};

absl::StatusOr<std::unique_ptr<httplib::Client>> KubernetesDriver::Client(httplib::Headers* headers) const {
  if (api_.empty()) {
    return absl::FailedPreconditionError(
        "migration.kubernetes_api is not set, and the agent runs in no pod that would know it");
  }
  if (!settings_.kubernetes_token_file.empty()) {
    const auto token = host::ReadFile(settings_.kubernetes_token_file);
    if (!token.ok()) return WithContext(token.status(), "migration.kubernetes_token_file");
    const std::string_view word = std::string_view(*token).substr(0, token->find_last_not_of(" \r\n") + 1);
    headers->emplace("Authorization", StrCat("Bearer ", word));
  }
  const bool http = api_.starts_with("http://") || api_.starts_with("https://");
  std::unique_ptr<httplib::Client> client = http ? std::make_unique<httplib::Client>(api_) : nullptr;
  if (client == nullptr || !client->is_valid()) {
    return absl::FailedPreconditionError(StrCat("migration.kubernetes_api: ", api_, " is no http(s)://HOST:PORT"));
  }
  if (!settings_.kubernetes_ca_file.empty()) client->set_ca_cert_path(settings_.kubernetes_ca_file.c_str());
  client->set_connection_timeout(kConnectSeconds);
  client->set_read_timeout(kAnswerSeconds);
  client->set_write_timeout(kAnswerSeconds);
  return client;
}

absl::StatusOr<Reply> KubernetesDriver::Answer(const httplib::Result& result) const {
  if (!result) {
    return absl::UnavailableError(StrCat("the API server at ", api_,
                                         " does not answer: ", httplib::to_string(result.error()),
                                         "; see migration.kubernetes_api and migration.kubernetes_ca_file"));
  }
  Reply reply{.code = result->status};
  if (auto body = ParseObject(result->body); body.ok()) reply.body = *std::move(body);
  if (reply.code == 401 || reply.code == 403) {
    return absl::PermissionDeniedError(
        StrCat("the API server refuses: ", Said(reply),
               "; let the agent's service account list and get pods and create pods/eviction"));
  }
  if (reply.code >= 500) return absl::UnavailableError(StrCat("the API server fails: ", Said(reply)));
  return reply;
}

absl::StatusOr<Reply> KubernetesDriver::Get(const std::string& path) const {
  httplib::Headers headers;
  TRUCE_ASSIGN_OR_RETURN(const auto client, Client(&headers));
  return Answer(client->Get(path.c_str(), headers));
}

absl::StatusOr<Reply> KubernetesDriver::Post(const std::string& path, const std::string& body) const {
  httplib::Headers headers;
  TRUCE_ASSIGN_OR_RETURN(const auto client, Client(&headers));
  return Answer(client->Post(path.c_str(), headers, body, "application/json"));
}

absl::Status KubernetesDriver::Ready() {
  if (settings_.kubernetes_node.empty()) return absl::FailedPreconditionError("migration.kubernetes_node is not set");
  // One pod will do, to see that the agent may ask.
  const auto reply = Get(StrCat("/api/v1/pods?limit=1&fieldSelector=spec.nodeName%3D", settings_.kubernetes_node));
  if (!reply.ok()) return reply.status();
  if (reply->code == 200) return absl::OkStatus();
  return absl::FailedPreconditionError(StrCat("the API server does not list pods: ", Said(*reply)));
}

absl::StatusOr<Pod> KubernetesDriver::FindPod(const std::string& uid) const {
  TRUCE_ASSIGN_OR_RETURN(const Reply reply,
                         Get(StrCat("/api/v1/pods?fieldSelector=spec.nodeName%3D", settings_.kubernetes_node)));
  if (reply.code != 200) return absl::UnavailableError(StrCat("the API server does not list pods: ", Said(reply)));
  const auto items = reply.body.fields().find("items");
  if (items != reply.body.fields().end()) {
    for (const Value& item : items->second.list_value().values()) {
      Pod pod = PodOf(item.struct_value());
      if (pod.uid == uid) return pod;
    }
  }
  return absl::NotFoundError(StrCat("the cluster knows no pod ", uid, " on the node ", settings_.kubernetes_node,
                                    "; see migration.kubernetes_node"));
}

absl::StatusOr<DriverMemory> KubernetesDriver::Recall(const v1::MigrationOrder& /*order*/, const Movable& workload) {
  TRUCE_ASSIGN_OR_RETURN(const Pod pod, FindPod(UidIn(workload.workload)));
  if (pod.going) return absl::FailedPreconditionError(StrCat("the pod ", pod.name, " is already going"));
  if (pod.owner.empty()) {
    return absl::FailedPreconditionError(
        StrCat("the pod ", pod.name, " has no controller that would start another one, so evicting it would end it"));
  }
  if (pod.owner == "DaemonSet" || pod.owner == "Node") {
    return absl::FailedPreconditionError(
        StrCat("the pod ", pod.name, " belongs to a ", pod.owner, " and would come back to this host"));
  }
  return MakeMemory({{"namespace", pod.space}, {"name", pod.name}, {"uid", pod.uid}});
}

absl::StatusOr<std::optional<Pod>> KubernetesDriver::PodAt(const DriverMemory& memory) const {
  TRUCE_ASSIGN_OR_RETURN(const Reply reply, Get(StrCat("/api/v1/namespaces/", WordIn(memory, "namespace"), "/pods/",
                                                       WordIn(memory, "name"))));
  if (reply.code == 404) return std::nullopt;
  if (reply.code != 200) return absl::UnavailableError(StrCat("the API server does not show the pod: ", Said(reply)));
  Pod pod = PodOf(reply.body);
  // A stateful set gives the name to another one.
  if (pod.uid != WordIn(memory, "uid")) return std::nullopt;
  return pod;
}

// OK when it is going; Aborted and ResourceExhausted when it stays for certain.
absl::Status KubernetesDriver::Evict(const DriverMemory& memory) const {
  Struct eviction;
  auto& fields = *eviction.mutable_fields();
  fields["apiVersion"].set_string_value("policy/v1");
  fields["kind"].set_string_value("Eviction");
  Struct& metadata = *fields["metadata"].mutable_struct_value();
  (*metadata.mutable_fields())["name"].set_string_value(WordIn(memory, "name"));
  (*metadata.mutable_fields())["namespace"].set_string_value(WordIn(memory, "namespace"));
  Struct& options = *fields["deleteOptions"].mutable_struct_value();
  Struct& preconditions = *(*options.mutable_fields())["preconditions"].mutable_struct_value();
  (*preconditions.mutable_fields())["uid"].set_string_value(WordIn(memory, "uid"));
  const auto reply =
      Post(StrCat("/api/v1/namespaces/", WordIn(memory, "namespace"), "/pods/", WordIn(memory, "name"), "/eviction"),
           ToJson(eviction));
  if (!reply.ok()) {
    return absl::IsUnavailable(reply.status()) ? reply.status() : absl::AbortedError(reply.status().message());
  }
  if (reply->code < 300 || reply->code == 404) return absl::OkStatus();
  if (reply->code == kTooManyRequests) {
    return absl::ResourceExhaustedError(
        StrCat("the cluster does not let it go now: ", Said(*reply), "; try again later"));
  }
  return absl::AbortedError(StrCat("the cluster does not evict it: ", Said(*reply)));
}

absl::StatusOr<MoveOutcome> KubernetesDriver::Move(const v1::MigrationOrder& /*order*/, const DriverMemory& memory,
                                                   MoveControl& control) {
  if (!control.cancelled) {
    const absl::Status evicted = Evict(memory);
    // Whether the eviction was taken although its answer was lost, is seen below.
    if (!evicted.ok() && !absl::IsUnavailable(evicted)) return evicted;
  }
  const absl::Time deadline = absl::Now() + settings_.longest_move;
  while (true) {
    const auto pod = PodAt(memory);
    if (pod.ok() && !pod->has_value()) return MoveOutcome();
    if (pod.ok() && !(*pod)->going) {
      if (control.cancelled) return absl::CancelledError("the pod was not evicted; it runs here");
      return absl::AbortedError("the cluster did not take the eviction; the pod runs here");
    }
    // It can't be called off any more.
    if (absl::Now() >= deadline) {
      return absl::UnavailableError(
          pod.ok() ? StrCat("the pod is going, and is not gone after ", absl::FormatDuration(settings_.longest_move))
                   : std::string(StdView(pod.status().message())));
    }
    absl::SleepFor(kPoll);
  }
}

absl::StatusOr<Presence> KubernetesDriver::Look(const v1::MigrationOrder& order, const DriverMemory& memory) {
  TRUCE_ASSIGN_OR_RETURN(const auto pod, PodAt(memory));
  if (!pod) return Presence{.where = v1::MIGRATION_PRESENCE_ABSENT};
  return Presence{
      .where = pod->running && !pod->going ? v1::MIGRATION_PRESENCE_RUNNING : v1::MIGRATION_PRESENCE_STOPPED,
      .workload = order.workload()};
}

}  // namespace

std::unique_ptr<MigrationDriver> MakeKubernetesDriver(const MigrationSettings& settings) {
  return std::make_unique<KubernetesDriver>(settings);
}

}  // namespace truce::agent
