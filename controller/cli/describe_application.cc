// trucectl describe application NAME: what it does to others and suffers from them, and what it is like.
#include <algorithm>

#include "absl/strings/str_join.h"
#include "controller/cli/rows.h"
#include "controller/cli/view.h"
#include "src/base/enum_words.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

// How many hosts are named; `-o json` has them all.
constexpr int kNamedHosts = 10;

std::string HostNames(const v1::ApplicationStatus& status) {
  const auto& hosts = status.hosts();
  if (hosts.empty()) return "none now";
  const int named = std::min(hosts.size(), kNamedHosts);
  const std::string names = absl::StrJoin(hosts.begin(), hosts.begin() + named, ", ");
  return named == hosts.size() ? names : StrCat(names, " and ", hosts.size() - named, " more");
}

Section Facts(const v1::ApplicationStatus& status, absl::Time now) {
  const v1::ApplicationSignature& learned = status.learned();
  Section section;
  section.lines = {
      Fact("Application", status.application()),
      Fact("Workloads", StrCat(status.workload_count())),
      Fact("Hosts", HostNames(status)),
  };
  if (!status.has_learned()) {
    section.lines.push_back(Fact("Learned", StrCat("nothing yet: ", kNothingLearned)));
    return section;
  }
  const std::string first = FormatAge(now, learned.first_learned_at(), learned.has_first_learned_at());
  const std::string last = FormatAge(now, learned.last_learned_at(), learned.has_last_learned_at());
  section.lines.push_back(Fact("Learned", StrCat("from ", learned.sample_count(), " signatures, the first ", first,
                                                 " ago, the last ", last, " ago")));
  section.lines.push_back(Fact("Model", learned.signature().model_version()));
  section.lines.push_back(
      Fact("Familiarity", StrCat(FormatNumber(learned.signature().familiarity(), 2),
                                 " of 1: how usual it is to the model; the lower, the less is the rest worth")));
  const std::string where = " on the same CPUs, over all kinds of neighbours alike";
  section.lines.push_back(Fact("Hurts", HurtsCell(status) + where));
  section.lines.push_back(Fact("Suffers", SuffersCell(status) + where));
  return section;
}

Table ResourceTable(const v1::Signature& signature) {
  Table table({{"RESOURCE"}, {"HURTS", Align::kRight}, {"SUFFERS", Align::kRight}});
  for (const v1::ResourceEffect& effect : signature.resources()) {
    table.AddRow({EnumCell(effect.resource()), FormatRatio(effect.hurts_ratio()), FormatRatio(effect.suffers_ratio())});
  }
  return table;
}

Table KindTable(const v1::Signature& signature) {
  Table table({{"KIND"},
               {"HURTS-SAME-CPUS", Align::kRight},
               {"HURTS-OWN-CPUS", Align::kRight},
               {"SUFFERS-SAME-CPUS", Align::kRight},
               {"SUFFERS-OWN-CPUS", Align::kRight}});
  for (const v1::KindEffect& effect : signature.kinds()) {
    table.AddRow({effect.kind(), FormatRatio(effect.hurts_on_same_cpus_ratio()),
                  FormatRatio(effect.hurts_on_own_cpus_ratio()), FormatRatio(effect.suffers_on_same_cpus_ratio()),
                  FormatRatio(effect.suffers_on_own_cpus_ratio())});
  }
  return table;
}

Table ResemblanceTable(const v1::ApplicationStatus& status) {
  Table table({{"NAME", Align::kLeft, false, true}, {"IS"}, {"SIMILARITY", Align::kRight}});
  for (const v1::Resemblance& one : status.resembles()) {
    table.AddRow({one.name(), "application", FormatNumber(one.similarity(), 2)});
  }
  for (const v1::Resemblance& one : status.learned().signature().resembles()) {
    table.AddRow({one.name(), "program of the lab", FormatNumber(one.similarity(), 2)});
  }
  return table;
}

absl::StatusOr<View> Fetch(Session& session) {
  TRUCE_ASSIGN_OR_RETURN(OperatorClient * controller, session.Controller());
  v1::ListApplicationsRequest request;
  request.set_application(session.options().name);
  TRUCE_ASSIGN_OR_RETURN(v1::ListApplicationsResponse response, controller->ListApplications(request));
  if (response.applications().empty()) {
    return absl::NotFoundError(StrCat("no application named ", request.application(),
                                      "; trucectl get applications lists those that the controller knows"));
  }
  View view;
  for (const v1::ApplicationStatus& status : response.applications()) {
    view.names.push_back(status.application());
    view.sections.push_back(Facts(status, session.Now()));
    const auto add = [&view](const std::string& title, Table table) {
      if (!table.empty()) view.sections.push_back({.title = title, .table = std::move(table)});
    };
    add("By resource", ResourceTable(status.learned().signature()));
    add("By kind of neighbour", KindTable(status.learned().signature()));
    add("Resembles", ResemblanceTable(status));
  }
  view.message = std::make_shared<v1::ListApplicationsResponse>(std::move(response));
  return view;
}

}  // namespace

absl::Status DescribeApplication(Session& session) {
  return Show(session, Fetch);
}

}  // namespace truce::cli
