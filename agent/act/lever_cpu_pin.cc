// LEVER_CPU_PIN: confines a workload to a set of CPUs through cpuset.cpus. See lever.h.
#include <algorithm>
#include <iterator>
#include <set>

#include "agent/act/guard.h"
#include "agent/act/lever.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"
#include "src/host/writer_cgroup.h"
#include "src/host/writer_nested.h"

namespace truce::agent {
namespace {

using host::Controller;
using Cpus = std::vector<int>;

constexpr char kCpus[] = "cpuset.cpus";

Cpus Both(const Cpus& a, const Cpus& b) {
  Cpus both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

Cpus Either(const Cpus& a, const Cpus& b) {
  Cpus either;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(either));
  return either;
}

absl::StatusOr<Cpus> Parse(std::string_view text, const host::ControlFile& control) {
  auto cpus = host::ParseCpuList(host::TrimControl(text));
  if (!cpus.ok()) return WithContext(cpus.status(), control.Name());
  return cpus;
}

// What the cgroup at `path` may really use: its effective set, or that of the nearest cgroup above that has one.
absl::StatusOr<Cpus> EffectiveCpus(std::string path, const LeverContext& context) {
  while (true) {
    TRUCE_ASSIGN_OR_RETURN(const std::unique_ptr<host::Cgroup> cgroup, host::Cgroup::Open(context.layout, path));
    for (const char* file : {"cpuset.cpus.effective", "cpuset.effective_cpus", kCpus}) {
      const host::ControlFile control{cgroup.get(), Controller::kCpuset, file};
      const auto content = context.writer.Read(control);
      if (absl::IsNotFound(content.status())) continue;
      if (!content.ok()) return content.status();
      TRUCE_ASSIGN_OR_RETURN(Cpus cpus, Parse(*content, control));
      // A v2 cpuset.cpus says nothing when it is empty, and an empty effective set can't be.
      if (!cpus.empty()) return cpus;
    }
    const auto parent = ParentPath(path);
    if (!parent) {
      return absl::FailedPreconditionError(
          StrCat("no file of the cpuset tree below ", context.layout.root(), " says which CPUs may be used"));
    }
    path = *parent;
  }
}

// A cgroup of the pinned tree: what its cpuset says, said, and shall say.
struct Member {
  host::ControlFile control;
  std::string original;
  Cpus current;
  Cpus wanted;
};

PlannedWrite WriteOf(const Member& member, const Cpus& cpus) {
  return {member.control, InFormOf(member.original, host::FormatCpuList(cpus))};
}

// Adds the nested cgroups of a v1 tree, parents before children.
absl::Status AddNested(const LeverContext& context, LeverPlan* plan, std::vector<Member>* members) {
  const Member& top = members->front();
  const Cpus wanted = top.wanted;
  const Cpus current = top.current;
  const std::string original = top.original;
  const bool held = context.journal.Find(Controller::kCpuset, top.control.cgroup->path(), kCpus) != nullptr;
  TRUCE_ASSIGN_OR_RETURN(const std::vector<std::string> paths,
                         host::NestedCgroups(*top.control.cgroup, Controller::kCpuset));
  for (const std::string& path : paths) {
    auto cgroup = host::Cgroup::Open(context.layout, path);
    if (!cgroup.ok() && !absl::IsNotFound(cgroup.status())) return cgroup.status();
    if (!cgroup.ok()) continue;  // vanished since it was listed
    Member member{.control = {cgroup->get(), Controller::kCpuset, kCpus}};
    const auto content = context.writer.Read(member.control);
    if (!content.ok() && !absl::IsNotFound(content.status())) return content.status();
    if (!content.ok()) continue;
    TRUCE_ASSIGN_OR_RETURN(member.current, Parse(*content, member.control));
    // Its owner has not set it up yet, so nothing can run in it. The next tick looks again.
    if (member.current.empty()) continue;
    const bool inherited = held && member.current == current;
    member.original = OriginalOf(member.control, inherited ? original : *content, context);
    TRUCE_ASSIGN_OR_RETURN(const Cpus before, Parse(member.original, member.control));
    member.wanted = Both(before, wanted);
    if (member.wanted.empty()) member.wanted = wanted;
    plan->cgroups.push_back(*std::move(cgroup));
    members->push_back(std::move(member));
  }
  return absl::OkStatus();
}

// Writes that keep every nested set within its parent's at every step, which a v1 kernel insists on.
void OrderWrites(const std::vector<Member>& members, LeverPlan* plan) {
  for (const Member& member : members) {
    const Cpus wide = Either(member.current, member.wanted);
    if (wide != member.current) plan->writes.push_back(WriteOf(member, wide));
  }
  for (auto member = members.rbegin(); member != members.rend(); ++member) {
    const Cpus wide = Either(member->current, member->wanted);
    if (wide != member->wanted) plan->writes.push_back(WriteOf(*member, member->wanted));
    plan->files.push_back({member->control, member->original, WriteOf(*member, member->wanted).value});
  }
}

}  // namespace

absl::StatusOr<LeverPlan> PlanCpuPin(const v1::LeasedAction& action, const std::string& path,
                                     const LeverContext& context) {
  LeverPlan plan;
  TRUCE_ASSIGN_OR_RETURN(auto cgroup, host::Cgroup::Open(context.layout, path));
  plan.cgroups.push_back(std::move(cgroup));
  Member top{.control = {plan.cgroups[0].get(), Controller::kCpuset, kCpus}};
  TRUCE_ASSIGN_OR_RETURN(const std::string content, ReadNeeded(top.control, context));
  TRUCE_ASSIGN_OR_RETURN(top.current, Parse(content, top.control));
  TRUCE_ASSIGN_OR_RETURN(top.wanted, host::ParseCpuList(action.cpus()));
  top.original = OriginalOf(top.control, content, context);

  CpuBounds bounds;
  const auto parent = ParentPath(path);
  if (!parent) return absl::InvalidArgumentError("the root cgroup is nobody's workload and can't be pinned");
  TRUCE_ASSIGN_OR_RETURN(bounds.online, EffectiveCpus("", context));
  TRUCE_ASSIGN_OR_RETURN(bounds.parent, EffectiveCpus(*parent, context));
  TRUCE_ASSIGN_OR_RETURN(bounds.original, Parse(top.original, top.control));
  TRUCE_RETURN_IF_ERROR(CheckCpus(top.wanted, bounds));

  const bool v1_tree = top.control.cgroup->version(Controller::kCpuset) == 1;
  if (v1_tree && bounds.original.empty()) {
    return absl::FailedPreconditionError(StrCat(top.control.Name(), " is empty, so nothing can run there yet"));
  }
  std::vector<Member> members = {std::move(top)};
  if (v1_tree) {
    TRUCE_RETURN_IF_ERROR(AddNested(context, &plan, &members));
    OrderWrites(members, &plan);
  } else {
    const PlannedWrite write = WriteOf(members[0], members[0].wanted);
    plan.files.push_back({write.control, members[0].original, write.value});
    if (members[0].current != members[0].wanted) plan.writes.push_back(write);
  }
  return plan;
}

}  // namespace truce::agent
