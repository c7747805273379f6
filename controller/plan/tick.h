// One planning round of one host, as a recipe of small steps. Only planner.cc and its siblings include it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/plan/planner.h"

namespace truce::controller {

class PlanTick {
 public:
  PlanTick(const HostState& host, HostPlan& plan, PlanContext& context)
      : host_(host), plan_(plan), context_(context), policy_(context.policy), now_(context.now.monotonic) {}

  // The steps, in their order.
  void ReleaseAll(std::string_view reason);
  void DropImpossible();
  void ActOnPairs();
  void ReleaseCalm();
  void LayOutPins();
  void FreePinned();
  void Allocate();
  void Forget();

  // Ends an action at once.
  using ActionMap = HostPlan::Actions;
  ActionMap::iterator Drop(ActionMap& actions, ActionMap::iterator it, std::string_view reason);
  ActionMap::iterator Drop(ActionMap::iterator it, std::string_view reason) { return Drop(plan_.actions, it, reason); }

  std::vector<v1::Decision> TakeDecisions() { return std::move(decisions_); }
  v1::Decision& Decide(std::string_view verdict, const PlannedAction& action, const v1::PairScore* score,
                       std::string reason);
  void CountTrouble(bool troubled);

 private:
  // One pair at or above its threshold, and who of it gives way.
  struct Trouble {
    const v1::PairScore* score;
    const v1::WorkloadReport* victim;
    const v1::WorkloadReport* giver;
    const v1::Threshold* threshold;
  };

  std::vector<Trouble> FindTrouble();
  // False when something stands against acting at all.
  bool Act(const Trouble& trouble);
  // Whether something stands against acting at all; says so once.
  bool StandsBack(const Trouble& trouble, v1::Mode mode);
  // Actions on the one that gives way that are of use against what the pair contends for, the newest last.
  std::vector<PlannedAction*> ActionsAgainst(const Trouble& trouble);
  // The lever to use next, of those that the giver is not under yet; or nullopt, and why none.
  std::optional<v1::Lever> ChooseLever(const Trouble& trouble, std::string* why_not);
  // A lever that can be asked for, or an explanation.
  bool Usable(const Trouble& trouble, v1::Lever lever, std::string* why_not);
  // The part of that which is about the giver's readings and the host.
  bool Serves(const Trouble& trouble, v1::Lever lever, std::string* why_not) const;
  bool Create(const Trouble& trouble, v1::Lever lever, v1::Mode mode);
  // The victim's own weight is raised where the aggressor can't be made to give way; false, and why, when it isn't, or
  // was and suffers on. For critical victims of somebody of less rank.
  bool Boost(const Trouble& trouble, std::string* why_not);
  // The pair, if any, in which a critical workload that ranks no lower suffers from one that is, or would be, raised.
  const v1::PairScore* HurtByBoost(const v1::WorkloadReport& boosted) const;
  // Gives a new action its first value; what that is, for people.
  std::string SetValue(const Trouble& trouble, PlannedAction* planned) const;
  void SetDiskCaps(const Trouble& trouble, v1::LeasedAction* action) const;
  void Join(const Trouble& trouble, PlannedAction& action);
  // How much of the victim's slowdown is left under the actions in force, as a fraction.
  static double StillSuffers(const Trouble& trouble);
  void Escalate(const Trouble& trouble, const std::vector<PlannedAction*>& held, v1::Mode mode);
  // Cuts once more, when that is due. False when it is at its floor, or has no steps.
  bool Tighten(const Trouble& trouble, PlannedAction& planned);
  void LeaveAlone(const v1::PairScore& score, std::string_view code, std::string reason);
  // The last resort where no lever is left that is worth it, and the victim is still slowed by so much: once that has
  // been so for a while, one of the two is wished to another host.
  void ThinkOfMoving(const Trouble& trouble, double slowdown);
  // False when it can't be moved, or that isn't worth it.
  bool ProposeMove(const Trouble& trouble, const v1::WorkloadReport& moved, double slowdown);
  void Wish(const Trouble& trouble, v1::Migration migration, v1::Mode mode);
  // Whether it is being moved, or was lately.
  bool IsBusy(const std::string& workload) const;
  absl::Duration DwellFor(const Trouble& trouble, bool returning);
  // CPUs that the victims of all pins need together, and `newcomer` with them.
  int VictimsNeed(const std::string* newcomer = nullptr) const;
  std::vector<uint32_t> PinnedCpus(bool by_llc_domain, int victims_need) const;
  bool CanPin(const Trouble& trouble) const;
  // Cache and bandwidth are kept apart by whole LLC domains. Where there is no other one to give, CPUs of their own are
  // still worth having: the pair no longer waits for each other, and the aggressor has fewer CPUs to use memory from.
  bool PinsByLlcDomain(const Trouble& trouble) const;

  // Why a workload's quota does not follow its need; empty when it does, or may.
  std::string WhyNotAllocated(const v1::WorkloadReport& report) const;
  bool MayHaveMore(const v1::WorkloadReport& report, PlannedAction* planned) const;
  void NoteOwnQuotas();
  // Whether the quota that is read of it may be one of ours.
  bool MayReadOurs(const v1::WorkloadReport& report) const;
  void AllocateOne(const v1::WorkloadReport& report);
  // Whether there is room for one more new action that protects nobody.
  bool AllocationBraked();
  // Why an action can't go on; empty when it can.
  std::string Obstacle(PlannedAction& planned);
  bool IsCalm(const PlannedAction& planned) const;
  // Whether a pair is, or is no longer listed.
  bool IsCalm(const v1::PairScore* score) const;
  // Returns true when the action was erased; *it then is its successor.
  bool Loosen(ActionMap::iterator* it);
  void RememberRelease(const PlannedAction& planned);
  std::string Evidence(const Trouble& trouble) const;
  PlannedAction* Find(const std::string& workload, v1::Lever lever);
  absl::Duration step() const;

  const HostState& host_;
  HostPlan& plan_;
  PlanContext& context_;
  const v1::Policy& policy_;
  absl::Duration now_;
  std::vector<v1::Decision> decisions_;
};

}  // namespace truce::controller
