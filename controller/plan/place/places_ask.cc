// Places' half that answers: scores, choices, reservations.
#include <algorithm>
#include <limits>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_join.h"
#include "controller/fleet/moment.h"
#include "controller/plan/place/host_score.h"
#include "controller/plan/place/places.h"
#include "controller/plan/place/pricing.h"
#include "google/protobuf/util/time_util.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

constexpr size_t kAlternatives = 3;
constexpr size_t kScoredAtOnce = 64;
// Of a list in a sentence.
constexpr int kNamed = 5;
constexpr size_t kMostRequestId = 256;
// More reservations than that on one host are a scheduler gone wrong.
constexpr size_t kMostOnHost = 1000;
constexpr double kNever = std::numeric_limits<double>::infinity();

template <typename Message>
uint64_t QuestionOf(const Message& message) {
  return absl::HashOf(message.GetTypeName(), message.SerializeAsString());
}

template <typename Response>
absl::StatusOr<std::optional<Response>> AnsweredBefore(const std::string& id, uint64_t question, absl::Duration now,
                                                       Answers* answers) {
  if (id.size() > kMostRequestId) {
    return absl::InvalidArgumentError(
        StrCat("request_id: ", id.size(), " bytes; at most ", kMostRequestId, " make sense"));
  }
  TRUCE_ASSIGN_OR_RETURN(const auto answered, answers->Find(id, question, now));
  if (!answered.has_value()) return std::nullopt;
  Response response;
  if (!response.ParseFromString(*answered)) return absl::InternalError("an answer that was kept can't be read");
  return response;
}

absl::StatusOr<absl::Duration> TimeToLive(bool given, const google::protobuf::Duration& duration) {
  if (!given) return Places::kReservation;
  const absl::Duration wanted = ToDuration(duration);
  if (wanted > absl::ZeroDuration() && wanted <= Places::kLongestReservation) return wanted;
  return absl::InvalidArgumentError(StrCat("time_to_live: ", absl::FormatDuration(wanted),
                                           " is no time to reserve for; more than 0 and at most ",
                                           absl::FormatDuration(Places::kLongestReservation), " is expected"));
}

}  // namespace

Places::Ask Places::AskFor(const v1::WorkloadDescription& workload) const {
  Ask ask;
  ask.workload = &workload;
  ask.resident = ResidentOf(workload);
  ask.effects = EffectsOfApplication(workload.application());
  ask.demand = DemandOn(ask.resident, ask.effects);
  if (workload.rules().most_per_fault_domain() > 0) {
    if (const auto* hosts = census_.HostsOf(workload.application())) {
      for (const auto& [host, count] : *hosts) ask.in_domain[At(host).picture.fault_domain] += count;
    }
  }
  return ask;
}

bool Places::HasRules(const Ask& ask) const {
  const v1::PlacementRules& rules = ask.workload->rules();
  return rules.most_per_host() > 0 || rules.most_per_fault_domain() > 0 || rules.one_numa_node() ||
         rules.apart_from_size() > 0 || rules.beside_size() > 0;
}

std::optional<std::string> Places::Forbids(int32_t host, const Ask& ask) const {
  const v1::PlacementRules& rules = ask.workload->rules();
  const std::string& application = ask.workload->application();
  if (rules.most_per_host() > 0) {
    const int32_t there = census_.On(host, application);
    if (there >= static_cast<int64_t>(rules.most_per_host())) {
      return StrCat(there, " of ", application, " are there, and at most ", rules.most_per_host(),
                    " may be on a host (rules.most_per_host)");
    }
  }
  if (rules.most_per_fault_domain() > 0) {
    const std::string& domain = At(host).picture.fault_domain;
    const auto it = ask.in_domain.find(domain);
    if (it != ask.in_domain.end() && it->second >= static_cast<int64_t>(rules.most_per_fault_domain())) {
      return StrCat(it->second, " of ", application, " are in fault domain ", domain, ", and at most ",
                    rules.most_per_fault_domain(), " may be in one (rules.most_per_fault_domain)");
    }
  }
  for (const std::string& other : rules.apart_from()) {
    if (census_.On(host, other) > 0) return StrCat(other, " runs there (rules.apart_from)");
  }
  const bool beside =
      rules.beside_size() == 0 || std::any_of(rules.beside().begin(), rules.beside().end(),
                                              [&](const std::string& other) { return census_.On(host, other) > 0; });
  if (!beside) {
    const int named = std::min(rules.beside_size(), kNamed);
    return StrCat("none of ", absl::StrJoin(rules.beside().begin(), rules.beside().begin() + named, ", "),
                  rules.beside_size() > named ? ", ..." : "", " runs there (rules.beside)");
  }
  if (rules.one_numa_node()) {
    const auto& nodes = At(host).picture.nodes;
    const bool fits = std::any_of(nodes.begin(), nodes.end(), [&ask](const HostPicture::Node& node) {
      return node.cpu_cores >= ask.resident.demand[kPlaceCpuCores] &&
             node.memory_bytes >= ask.resident.demand[kPlaceMemoryBytes];
    });
    if (!fits) return "no NUMA node there is as large as it (rules.one_numa_node)";
  }
  return std::nullopt;
}

v1::HostScore Places::Score(int32_t host, const Ask& ask) const {
  const Entry& entry = At(host);
  HostVerdict verdict{.host = entry.name,
                      .state = entry.state,
                      .workload = *ask.workload,
                      .demand = ask.demand,
                      .worst_score = entry.picture.worst_score,
                      .closed = entry.picture.closed};
  verdict.price = index_.Price(entry.state, ask.demand, nullptr);
  verdict.rule = Forbids(host, ask);
  if (!known_.empty()) {
    verdict.slowdown = Loss(ask.effects.suffers, entry.state.hurts);
    verdict.neighbours_slowdown = Loss(entry.state.suffers, HurtsOf(ask.resident, ask.effects));
  }
  return Describe(verdict);
}

absl::Status Places::NoSuchHost(std::string_view host) const {
  if (entries_.empty()) return absl::NotFoundError("no agent has connected yet, so no host is known");
  return absl::NotFoundError(StrCat("there is no host \"", host, "\"; trucectl get hosts lists those that are known"));
}

absl::StatusOr<std::optional<std::vector<int32_t>>> Places::Among(
    const google::protobuf::RepeatedPtrField<std::string>& hosts) const {
  if (hosts.empty()) return std::nullopt;
  std::vector<int32_t> numbers;
  for (const std::string& name : hosts) {
    const auto number = Find(name);
    if (!number) return NoSuchHost(name);
    numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

std::vector<int32_t> Places::Best(const Ask& ask, size_t most, const std::optional<std::vector<int32_t>>& among) const {
  std::vector<int32_t> best;
  if (!among) {
    std::function<bool(int32_t)> allows;
    if (HasRules(ask)) {
      allows = [this, &ask](int32_t host) {
        mutex_.AssertHeld();
        return !Forbids(host, ask);
      };
    }
    for (const auto& one : index_.Best(ask.demand, most, allows)) best.push_back(one.host);
    return best;
  }
  std::vector<std::pair<double, int32_t>> priced;
  for (const int32_t host : *among) {
    const double price = index_.Price(At(host).state, ask.demand, nullptr);
    if (price < kNever && !Forbids(host, ask)) priced.emplace_back(price, host);
  }
  const size_t count = std::min(most, priced.size());
  std::partial_sort(priced.begin(), priced.begin() + static_cast<std::ptrdiff_t>(count), priced.end());
  for (size_t i = 0; i < count; ++i) best.push_back(priced[i].second);
  return best;
}

// Says of the best of those that don't fit why not.
absl::Status Places::NoneFits(const Ask& ask, const std::optional<std::vector<int32_t>>& among) const {
  if (entries_.empty()) return absl::ResourceExhaustedError("no agent has connected yet, so no host is known");
  std::optional<std::pair<double, int32_t>> nearest;
  const auto look = [&](int32_t host) {
    mutex_.AssertHeld();
    const Entry& entry = At(host);
    double lacking = entry.picture.closed.empty() ? 0 : 1000;
    for (size_t r = 0; r < kPlaceResourceCount; ++r) {
      const double more = ask.demand.demand[r] - entry.state.free[r];
      if (ask.demand.demand[r] > 0 && more > 0) lacking += more / std::max(1.0, entry.state.capacity[r]);
    }
    if (!nearest || lacking < nearest->first) nearest = {lacking, host};
  };
  if (among) {
    for (const int32_t host : *among) look(host);
  } else {
    for (size_t i = 0; i < entries_.size(); ++i) look(static_cast<int32_t>(i));
  }
  if (!nearest) return absl::ResourceExhaustedError("no host was given to choose from");
  const v1::HostScore score = Score(nearest->second, ask);
  return absl::ResourceExhaustedError(StrCat("no host fits; the nearest is ", score.host(), ": ", score.reason()));
}

absl::StatusOr<v1::ScoreHostsResponse> Places::ScoreHosts(const v1::ScoreHostsRequest& request) {
  TRUCE_RETURN_IF_ERROR(CheckDescription(request.workload()));
  v1::ScoreHostsResponse response;
  std::optional<std::vector<int32_t>> among;
  std::optional<Ask> ask;
  {
    absl::MutexLock lock(&mutex_);
    Expire();
    TRUCE_ASSIGN_OR_RETURN(among, Among(request.hosts()));
    ask = AskFor(request.workload());
    if (request.limit() > 0) {
      const std::vector<int32_t> best = Best(*ask, request.limit(), among);
      if (best.size() == request.limit()) {
        for (const int32_t host : best) *response.add_hosts() = Score(host, *ask);
        return response;
      }
    }
    if (!among) {
      among.emplace(entries_.size());
      for (size_t i = 0; i < among->size(); ++i) (*among)[i] = static_cast<int32_t>(i);
    }
  }
  // Everybody else gets a turn now and then.
  std::vector<v1::HostScore> scores;
  for (size_t begin = 0; begin < among->size(); begin += kScoredAtOnce) {
    const size_t end = std::min(begin + kScoredAtOnce, among->size());
    absl::MutexLock lock(&mutex_);
    for (size_t i = begin; i < end; ++i) scores.push_back(Score((*among)[i], *ask));
  }
  Rank(&scores);
  if (request.limit() > 0) scores.resize(std::min<size_t>(scores.size(), request.limit()));
  for (auto& score : scores) *response.add_hosts() = std::move(score);
  return response;
}

absl::StatusOr<v1::PlaceResponse> Places::Place(const v1::PlaceRequest& request) {
  TRUCE_RETURN_IF_ERROR(CheckDescription(request.workload()));
  TRUCE_ASSIGN_OR_RETURN(const absl::Duration time_to_live,
                         TimeToLive(request.has_time_to_live(), request.time_to_live()));
  const uint64_t question = request.request_id().empty() ? 0 : QuestionOf(request);
  v1::PlaceResponse response;
  absl::MutexLock lock(&mutex_);
  Expire();
  TRUCE_ASSIGN_OR_RETURN(const auto answered, AnsweredBefore<v1::PlaceResponse>(request.request_id(), question,
                                                                                clock_.Monotonic(), &answers_));
  if (answered.has_value()) return *answered;
  TRUCE_ASSIGN_OR_RETURN(const auto among, Among(request.hosts()));
  const Ask ask = AskFor(request.workload());
  const std::vector<int32_t> best = Best(ask, 1 + kAlternatives, among);
  if (best.empty()) return NoneFits(ask, among);
  *response.mutable_chosen() = Score(best[0], ask);
  for (size_t i = 1; i < best.size(); ++i) *response.add_alternatives() = Score(best[i], ask);
  if (request.validate_only()) return response;
  TRUCE_ASSIGN_OR_RETURN(*response.mutable_reservation_id(), Add(best[0], ask, time_to_live));
  answers_.Remember(request.request_id(), question, response.SerializeAsString(), clock_.Monotonic());
  return response;
}

absl::StatusOr<std::string> Places::Add(int32_t host, const Ask& ask, absl::Duration for_so_long) {
  if (reservations_.On(host).size() >= kMostOnHost) {
    return absl::ResourceExhaustedError(StrCat("host ", At(host).name, " has ", kMostOnHost,
                                               " reservations; release those that nobody needs any more"));
  }
  std::string id = reservations_.Add(host, ask.resident, clock_.Monotonic() + for_so_long);
  Refresh(host);
  return id;
}

absl::StatusOr<v1::ReserveResponse> Places::Reserve(const v1::ReserveRequest& request) {
  TRUCE_RETURN_IF_ERROR(CheckDescription(request.workload()));
  TRUCE_ASSIGN_OR_RETURN(const absl::Duration time_to_live,
                         TimeToLive(request.has_time_to_live(), request.time_to_live()));
  const uint64_t question = request.request_id().empty() ? 0 : QuestionOf(request);
  v1::ReserveResponse response;
  absl::MutexLock lock(&mutex_);
  Expire();
  TRUCE_ASSIGN_OR_RETURN(const auto answered, AnsweredBefore<v1::ReserveResponse>(request.request_id(), question,
                                                                                  clock_.Monotonic(), &answers_));
  if (answered.has_value()) return *answered;
  const auto host = Find(request.host());
  if (!host) return NoSuchHost(request.host());
  const Ask ask = AskFor(request.workload());
  *response.mutable_host() = Score(*host, ask);
  if (!response.host().fits()) {
    return absl::ResourceExhaustedError(StrCat("host ", request.host(), " won't do: ", response.host().reason()));
  }
  if (request.validate_only()) return response;
  TRUCE_ASSIGN_OR_RETURN(*response.mutable_reservation_id(), Add(*host, ask, time_to_live));
  answers_.Remember(request.request_id(), question, response.SerializeAsString(), clock_.Monotonic());
  return response;
}

absl::StatusOr<v1::ReleaseResponse> Places::Release(const v1::ReleaseRequest& request) {
  if (request.reservation_id().empty()) {
    return absl::InvalidArgumentError("reservation_id: is not given; Place and Reserve answer with one");
  }
  v1::ReleaseResponse response;
  absl::MutexLock lock(&mutex_);
  Expire();
  if (const auto removed = reservations_.Remove(request.reservation_id())) {
    Refresh(removed->host);
    response.set_released(true);
  }
  return response;
}

v1::HostScore Places::ScoreOn(const std::string& host, const v1::WorkloadDescription& workload) {
  absl::MutexLock lock(&mutex_);
  Expire();
  if (const auto number = Find(host)) return Score(*number, AskFor(workload));
  v1::HostScore score;
  score.set_host(host);
  score.set_reason("nothing is known of it");
  return score;
}

}  // namespace truce::controller
