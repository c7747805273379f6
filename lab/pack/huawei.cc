#include "lab/pack/huawei.h"

#include <cmath>
#include <map>
#include <utility>

#include "lab/forecast/archive.h"
#include "lab/forecast/csv.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

// No server has more, and sums of as many fit.
constexpr int64_t kMostRoom = 100'000;
constexpr int64_t kMostGroups = 1'000'000'000;
constexpr int64_t kMostDomains = 1'000;
// More of either is a mistake, and would not be packed in a lifetime.
constexpr size_t kMostLines = 10'000'000;

bool Missing(const CsvReader& csv, size_t column) {
  return column >= csv.fields().size() || csv.fields()[column].empty();
}

absl::StatusOr<int64_t> Whole(const CsvReader& csv, size_t column, std::string_view name, int64_t least, int64_t most) {
  TRUCE_ASSIGN_OR_RETURN(const double number, csv.Number(column, name));
  if (!(number >= static_cast<double>(least)) || !(number <= static_cast<double>(most)) ||
      number != std::floor(number)) {
    return csv.Wrong(StrCat(name, " '", csv.fields()[column], "' is not a whole number from ", least, " to ", most));
  }
  return static_cast<int64_t>(number);
}

absl::StatusOr<Room> ReadRoom(const CsvReader& csv, size_t cpus, size_t ram, std::string_view cpus_name,
                              std::string_view ram_name, int64_t least) {
  TRUCE_ASSIGN_OR_RETURN(const int64_t cpu_count, Whole(csv, cpus, cpus_name, least, kMostRoom));
  TRUCE_ASSIGN_OR_RETURN(const int64_t ram_count, Whole(csv, ram, ram_name, least, kMostRoom));
  return Room{static_cast<int32_t>(cpu_count), static_cast<int32_t>(ram_count)};
}

absl::Status ParseServers(std::string_view name, std::string_view text, NumaProblem* problem) {
  CsvReader csv(name, text);
  TRUCE_ASSIGN_OR_RETURN(const bool header, csv.Next());
  if (!header) return absl::InvalidArgumentError(StrCat(name, ": it is empty; it must begin with CPU1,RAM1,CPU2,RAM2"));
  TRUCE_ASSIGN_OR_RETURN(const size_t cpu1, csv.Column("CPU1"));
  TRUCE_ASSIGN_OR_RETURN(const size_t ram1, csv.Column("RAM1"));
  TRUCE_ASSIGN_OR_RETURN(const size_t cpu2, csv.Column("CPU2"));
  TRUCE_ASSIGN_OR_RETURN(const size_t ram2, csv.Column("RAM2"));
  while (true) {
    TRUCE_ASSIGN_OR_RETURN(const bool more, csv.Next());
    if (!more) break;
    NumaServer& server = problem->servers.emplace_back();
    TRUCE_ASSIGN_OR_RETURN(server.nodes[0], ReadRoom(csv, cpu1, ram1, "CPU1", "RAM1", 0));
    TRUCE_ASSIGN_OR_RETURN(server.nodes[1], ReadRoom(csv, cpu2, ram2, "CPU2", "RAM2", 0));
    if (problem->servers.size() > kMostLines) return csv.Wrong(StrCat("there are more than ", kMostLines, " servers"));
  }
  if (problem->servers.empty()) return absl::InvalidArgumentError(StrCat(name, ": there is no server in it"));
  return absl::OkStatus();
}

absl::StatusOr<Strategy> ReadStrategy(const CsvReader& csv, size_t column) {
  if (Missing(csv, column)) return Strategy::kFree;
  const std::string& word = csv.fields()[column];
  if (word == "affinity") return Strategy::kAffinity;
  if (word == "anti-affinity") return Strategy::kAntiAffinity;
  if (word == "fault_domain") return Strategy::kFaultDomain;
  return csv.Wrong(
      StrCat("strategy '", word, "' is none of affinity, anti-affinity and fault_domain; leave it empty for none"));
}

// Where the columns of requests are.
struct RequestColumns {
  size_t cpus = 0;
  size_t ram = 0;
  size_t numa = 0;
  size_t strategy = 0;
  size_t group = 0;
  size_t domain = 0;
};

absl::StatusOr<RequestColumns> FindRequestColumns(const CsvReader& csv) {
  RequestColumns columns;
  TRUCE_ASSIGN_OR_RETURN(columns.cpus, csv.Column("flavor_vcpus"));
  TRUCE_ASSIGN_OR_RETURN(columns.ram, csv.Column("flavor_ram"));
  TRUCE_ASSIGN_OR_RETURN(columns.numa, csv.Column("numa"));
  TRUCE_ASSIGN_OR_RETURN(columns.strategy, csv.Column("strategy"));
  TRUCE_ASSIGN_OR_RETURN(columns.group, csv.Column("group"));
  TRUCE_ASSIGN_OR_RETURN(columns.domain, csv.Column("domain"));
  return columns;
}

// The group's number in the file goes to `group`.
absl::StatusOr<VmRequest> ReadRequest(const CsvReader& csv, const RequestColumns& columns, int64_t* group) {
  VmRequest request;
  TRUCE_ASSIGN_OR_RETURN(Room needs, ReadRoom(csv, columns.cpus, columns.ram, "flavor_vcpus", "flavor_ram", 1));
  TRUCE_ASSIGN_OR_RETURN(const int64_t nodes, Whole(csv, columns.numa, "numa", 1, 2));
  request.on_both = nodes == 2;
  if (request.on_both) {
    if (needs.cpus % 2 != 0 || needs.ram % 2 != 0) {
      return csv.Wrong(StrCat(needs.cpus, " vCPUs and ", needs.ram,
                              " of memory are to be on two nodes (numa 2), and can't be halved"));
    }
    needs = {needs.cpus / 2, needs.ram / 2};
  }
  request.per_node = needs;
  TRUCE_ASSIGN_OR_RETURN(request.strategy, ReadStrategy(csv, columns.strategy));
  const bool grouped = request.strategy != Strategy::kFree;
  if (grouped == Missing(csv, columns.group)) {
    return csv.Wrong(grouped ? "there is a strategy and no group" : "there is a group and no strategy");
  }
  if (grouped) {
    TRUCE_ASSIGN_OR_RETURN(*group, Whole(csv, columns.group, "group", 0, kMostGroups));
  }
  const bool placed = request.strategy == Strategy::kFaultDomain;
  if (placed == Missing(csv, columns.domain)) {
    return csv.Wrong(placed ? "a request with the strategy fault_domain has no domain"
                            : "only a request with the strategy fault_domain has a domain");
  }
  if (placed) {
    TRUCE_ASSIGN_OR_RETURN(const int64_t domain, Whole(csv, columns.domain, "domain", 0, kMostDomains - 1));
    request.domain = static_cast<int32_t>(domain);
  }
  return request;
}

absl::Status ParseRequests(std::string_view name, std::string_view text, NumaProblem* problem) {
  CsvReader csv(name, text);
  TRUCE_ASSIGN_OR_RETURN(const bool header, csv.Next());
  if (!header) {
    return absl::InvalidArgumentError(
        StrCat(name, ": it is empty; it must begin with flavor_vcpus,flavor_ram,numa,strategy,group,domain"));
  }
  TRUCE_ASSIGN_OR_RETURN(const RequestColumns columns, FindRequestColumns(csv));
  // Numbers of groups are of each strategy.
  std::map<std::pair<Strategy, int64_t>, int32_t> groups;
  while (true) {
    TRUCE_ASSIGN_OR_RETURN(const bool more, csv.Next());
    if (!more) break;
    int64_t number = 0;
    TRUCE_ASSIGN_OR_RETURN(VmRequest request, ReadRequest(csv, columns, &number));
    if (request.domain >= static_cast<int64_t>(problem->servers.size())) {
      return csv.Wrong(StrCat("domain ", request.domain, " asks for more domains than there are servers"));
    }
    problem->domains = std::max(problem->domains, request.domain + 1);
    if (request.strategy != Strategy::kFree) {
      const auto [place, first] =
          groups.try_emplace({request.strategy, number}, static_cast<int32_t>(problem->groups.size()));
      if (first) problem->groups.push_back({request.strategy, number, {}});
      request.group = place->second;
      problem->groups[At(request.group)].members.push_back(static_cast<int32_t>(problem->requests.size()));
    }
    problem->requests.push_back(request);
    if (problem->requests.size() > kMostLines) {
      return csv.Wrong(StrCat("there are more than ", kMostLines, " requests"));
    }
  }
  if (problem->requests.empty()) return absl::InvalidArgumentError(StrCat(name, ": there is no request in it"));
  return absl::OkStatus();
}

absl::StatusOr<Place> ReadPlace(const CsvReader& csv, const NumaProblem& problem) {
  Place place;
  if (csv.fields().size() != 3) return csv.Wrong("there must be three fields, request,server,nodes");
  if (csv.fields()[1].empty() && csv.fields()[2].empty()) return place;
  TRUCE_ASSIGN_OR_RETURN(const int64_t server,
                         Whole(csv, 1, "server", 0, static_cast<int64_t>(problem.servers.size()) - 1));
  place.server = static_cast<int32_t>(server);
  const std::string& nodes = csv.fields()[2];
  if (nodes != "1" && nodes != "2" && nodes != "1+2") {
    return csv.Wrong(StrCat("nodes '", nodes, "' is none of 1, 2 and 1+2"));
  }
  place.nodes = nodes == "1" ? kNode1 : nodes == "2" ? kNode2 : kBothNodes;
  return place;
}

}  // namespace

absl::StatusOr<NumaProblem> ReadHuaweiProblem(const std::string& servers, const std::string& requests) {
  NumaProblem problem;
  TRUCE_RETURN_IF_ERROR(ReadPacked(
      servers, [&](std::string_view name, std::string_view text) { return ParseServers(name, text, &problem); }));
  const size_t count = problem.servers.size();
  if (count == 0) return absl::InvalidArgumentError(StrCat(servers, ": there is no server in it"));
  TRUCE_RETURN_IF_ERROR(ReadPacked(
      requests, [&](std::string_view name, std::string_view text) { return ParseRequests(name, text, &problem); }));
  if (problem.requests.empty()) return absl::InvalidArgumentError(StrCat(requests, ": there is no request in it"));
  for (size_t s = 0; s < count; ++s) {
    problem.servers[s].domain = static_cast<int32_t>(s * static_cast<size_t>(problem.domains) / count);
  }
  return problem;
}

std::string HuaweiPlanText(const Plan& plan) {
  std::string text = "request,server,nodes\n";
  for (size_t r = 0; r < plan.size(); ++r) {
    const Place& place = plan[r];
    if (place.server == kNone) {
      StrAppend(&text, r, ",,\n");
      continue;
    }
    const char* nodes = place.nodes == kNode1 ? "1" : place.nodes == kNode2 ? "2" : "1+2";
    StrAppend(&text, r, ",", place.server, ",", nodes, "\n");
  }
  return text;
}

absl::StatusOr<Plan> ParseHuaweiPlan(std::string_view name, std::string_view text, const NumaProblem& problem) {
  CsvReader csv(name, text);
  TRUCE_ASSIGN_OR_RETURN(const bool header, csv.Next());
  if (!header || csv.fields() != std::vector<std::string>{"request", "server", "nodes"}) {
    return absl::InvalidArgumentError(StrCat(name, ": it must begin with request,server,nodes"));
  }
  Plan plan;
  while (true) {
    TRUCE_ASSIGN_OR_RETURN(const bool more, csv.Next());
    if (!more) break;
    const auto next = static_cast<int64_t>(plan.size());
    TRUCE_RETURN_IF_ERROR(Whole(csv, 0, "request", next, next).status());
    TRUCE_ASSIGN_OR_RETURN(const Place place, ReadPlace(csv, problem));
    plan.push_back(place);
  }
  if (plan.size() != problem.requests.size()) {
    return absl::InvalidArgumentError(
        StrCat(name, ": there are ", plan.size(), " lines for ", problem.requests.size(), " requests"));
  }
  return plan;
}

}  // namespace truce::lab
