// Whatever is lost, repeated, silent or started anew: a workload never runs on two hosts, never ends nowhere unless the
// migration says that it is uncertain, and each migration ends. Histories are drawn by RapidCheck and played against
// hosts that keep to MigrationOrder.
// clang-format off: RapidCheck needs GoogleTest before it.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
// clang-format on

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <vector>

#include "controller/plan/migrations.h"
#include "controller/plan/policy.h"
#include "src/base/text.h"
#include "tests/controller/plan/simulated_move.h"

namespace truce::controller {
namespace {

constexpr int kHistories = 10'000;
constexpr absl::Duration kTick = absl::Seconds(5);
// Faults come within the first so many ticks; then everybody answers, but for who is silent for good.
constexpr int kFaultyTicks = 100;
// By then every limit has run out, one after the other.
constexpr int kMostTicks = 800;

struct Fault {
  enum Kind { kSilence, kLoseReports, kLoseOrders, kRepeat, kRestartHost, kRestartController, kForget, kHold, kKinds };
  int tick = 0;
  Kind kind = kSilence;
  int host = 0;
  int length = 0;
};

std::ostream& operator<<(std::ostream& out, const Fault& fault) {
  static constexpr const char* kNames[] = {"silence",      "lose reports",       "lose orders", "repeat",
                                           "restart host", "restart controller", "forget",      "hold"};
  return out << "{" << fault.tick << ": " << kNames[fault.kind] << ", host " << fault.host << ", " << fault.length
             << "}";
}

struct History {
  MoveManners manners;
  std::vector<Fault> faults;
  // 0: nobody; else this host (1 or 2) is silent for good from that tick on.
  int dead_host = 0;
  int dead_at = 0;
};

// One controller and two hosts with a bad network between them.
class Play {
 public:
  explicit Play(const History& history)
      : history_(history),
        source_(v1::MIGRATION_ROLE_SOURCE, history.manners, &truth_),
        target_(v1::MIGRATION_ROLE_TARGET, history.manners, &truth_) {
    StartController();
    for (Link& link : links_) link.down = 0;
    for (int i = 0; i < 2; ++i) Deliver(i);
    v1::Migration migration;
    migration.set_workload("w");
    migration.set_source_host("a");
    migration.set_target_host("b");
    migration.set_driver("simulated");
    if (!controller_->Begin(migration, policy_, now_).ok()) throw std::logic_error("it did not begin");
    Store();
  }

  // Returns when every migration has ended, or time is up.
  void Run() {
    for (tick_ = 0; tick_ < kMostTicks; ++tick_) {
      now_.wall += kTick;
      now_.monotonic += kTick;
      for (const Fault& fault : history_.faults) {
        if (fault.tick == tick_) Do(fault);
      }
      if (history_.dead_host != 0 && tick_ == history_.dead_at) links_[history_.dead_host - 1].down = kMostTicks;
      source_.Tick(now_.monotonic);
      target_.Tick(now_.monotonic);
      truth_.Check();
      for (int i = 0; i < 2; ++i) Exchange(i);
      controller_->Tick(policy_, now_);
      Store();
      truth_.Check();
      const bool heard = std::none_of(std::begin(links_), std::end(links_), [](const Link& link) {
        return link.lose_reports > 0 || (link.down > 0 && link.down < kMostTicks / 2);
      });
      if (tick_ > kFaultyTicks && heard && controller_->Open().empty() && ++calm_ > 20) return;
    }
  }

  const MovedWorkload& truth() const { return truth_; }
  const std::vector<v1::Migration>& ended() const { return ended_; }
  size_t open() const { return controller_->Open().size(); }

 private:
  struct Link {
    int down = 0;          // ticks
    int lose_reports = 0;  // ticks
    int lose_orders = 0;
    int repeat = 0;
    int down_for = 0;
    bool lost_told = false;
  };

  void StartController() {
    controller_ = std::make_unique<Migrations>(StrCat("run", runs_++));
    std::vector<v1::Migration> known;
    for (const auto& [_, versions] : stored_) {
      if (!versions.empty()) known.push_back(versions.back().second);
    }
    controller_->Restore(known, now_);
    for (Link& link : links_) {
      link.down = std::max(link.down, 1);
      link.lost_told = true;
    }
  }

  void Do(const Fault& fault) {
    Link& link = links_[fault.host];
    switch (fault.kind) {
      case Fault::kSilence:
        link.down = std::max(link.down, fault.length);
        break;
      case Fault::kLoseReports:
        link.lose_reports = fault.length;
        break;
      case Fault::kLoseOrders:
        link.lose_orders = fault.length;
        break;
      case Fault::kRepeat:
        link.repeat = fault.length;
        break;
      case Fault::kRestartHost:
        (fault.host == 0 ? source_ : target_).Restart();
        link.down = std::max(link.down, 1);
        break;
      case Fault::kRestartController:
        // What it wrote in the last ten seconds may never have reached the disk.
        for (auto& [_, versions] : stored_) {
          while (!versions.empty() && versions.back().first > tick_ - fault.length % 3) versions.pop_back();
        }
        StartController();
        links_[fault.host].down += fault.length / 4;
        break;
      case Fault::kForget:
        stored_.clear();
        StartController();
        break;
      case Fault::kHold:
        controller_->Hold(fault.host == 0 ? "a" : "", "an operator put it on hold", now_);
        break;
      case Fault::kKinds:
        break;
    }
  }

  void Exchange(int i) {
    Link& link = links_[i];
    if (link.down > 0) {
      --link.down;
      // A silent host is noticed after three intervals.
      if (++link.down_for >= 3 && !link.lost_told) {
        controller_->OnLost(i == 0 ? "a" : "b", now_);
        link.lost_told = true;
      }
      return;
    }
    link.down_for = 0;
    link.lost_told = false;
    Deliver(i);
    if (link.repeat > 0 && --link.repeat >= 0) Deliver(i);
  }

  void Deliver(int i) {
    Link& link = links_[i];
    SimulatedHost& host = i == 0 ? source_ : target_;
    const std::string name = i == 0 ? "a" : "b";
    if (link.lose_reports > 0) {
      --link.lose_reports;
      return;
    }
    controller_->OnStatuses(name, host.Statuses(), now_);
    controller_->Tick(policy_, now_);
    Store();
    v1::DesiredSet desired;
    controller_->FillOrders(name, policy_, &desired);
    if (link.lose_orders > 0) {
      --link.lose_orders;
      return;
    }
    host.Take(desired, now_.monotonic);
    truth_.Check();
  }

  void Store() {
    for (v1::Migration& migration : controller_->TakeChanged()) {
      stored_[migration.migration_id()].emplace_back(tick_, std::move(migration));
    }
    for (v1::Migration& migration : controller_->TakeEnded()) {
      CheckEnd(migration);
      ended_.push_back(std::move(migration));
    }
  }

  void CheckEnd(const v1::Migration& migration) const {
    if (migration.phase() == v1::MIGRATION_PHASE_MOVED && !truth_.runs_on_target) {
      throw Unsafe(StrCat("MOVED, and it does not run on the target: ", migration.ShortDebugString()));
    }
    if (migration.phase() == v1::MIGRATION_PHASE_ROLLED_BACK && !truth_.runs_on_source) {
      throw Unsafe(StrCat("ROLLED_BACK, and it does not run on the source: ", migration.ShortDebugString()));
    }
    if (!HasEnded(migration.phase())) throw Unsafe("ended without an end");
  }

  const History& history_;
  MovedWorkload truth_;
  SimulatedHost source_;
  SimulatedHost target_;
  Link links_[2];
  Moment now_{absl::FromUnixSeconds(1'700'000'000), absl::Seconds(1000)};
  int tick_ = 0;
  int calm_ = 0;
  int runs_ = 0;
  const v1::Policy policy_ = DefaultPolicy();
  std::unique_ptr<Migrations> controller_;
  // What was written, and when, one version after the other.
  std::map<std::string, std::vector<std::pair<int, v1::Migration>>> stored_;
  std::vector<v1::Migration> ended_;
};

// RapidCheck draws from a part of a range only while its size is small; these histories are never small.
int AnyInt(int from, int below) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(from, below));
}

MoveManners AnyManners() {
  MoveManners manners;
  manners.live = *rc::gen::arbitrary<bool>();
  manners.reserve_ticks = AnyInt(0, 6);
  manners.move_ticks = AnyInt(0, 40);
  manners.standstill_ticks = AnyInt(0, 4) > 0 ? AnyInt(0, 3) : AnyInt(0, 80);
  manners.step_ticks = AnyInt(0, 4);
  manners.verify_cancels = *rc::gen::arbitrary<bool>();
  manners.goes_back = *rc::gen::arbitrary<bool>();
  return manners;
}

MoveManners AnyFailures(MoveManners manners) {
  manners.move = static_cast<MoveManners::Move>(std::max(0, AnyInt(-5, 5)));
  // Mostly one at a time: with all of them at once nothing gets far.
  const int failing = AnyInt(0, 10);
  manners.reserve_refused = failing == 1;
  manners.settle_fails = failing == 2;
  manners.drop_fails = failing == 3;
  manners.leave_fails = failing == 4;
  manners.resume_fails = failing == 5;
  return manners;
}

std::vector<Fault> AnyFaults() {
  return *rc::gen::container<std::vector<Fault>>(
      static_cast<size_t>(AnyInt(0, 10)),
      rc::gen::resize(rc::kNominalSize,
                      rc::gen::construct<Fault>(rc::gen::inRange(0, kFaultyTicks),
                                                rc::gen::map(rc::gen::inRange(0, static_cast<int>(Fault::kKinds)),
                                                             [](int kind) { return static_cast<Fault::Kind>(kind); }),
                                                rc::gen::inRange(0, 2), rc::gen::inRange(1, 40))));
}

// RapidCheck's own default is a hundred.
template <typename Property>
void CheckOften(Property property) {
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = kHistories;
  rc::detail::TestMetadata metadata;
  metadata.id = testing::UnitTest::GetInstance()->current_test_info()->name();
  const auto result = rc::detail::checkTestable(property, metadata, params);
  if (result.template is<rc::detail::SuccessResult>()) return;
  std::ostringstream text;
  rc::detail::printResultMessage(result, text);
  ADD_FAILURE() << text.str();
}

std::string Outcome(const Play& play) {
  return play.ended().empty() ? "none" : v1::MigrationPhase_Name(play.ended().back().phase());
}

TEST(MigrationsProperty, NeverOnTwoHostsNeverLostWithoutAWordAndAlwaysAnEnd) {
  std::map<std::string, int> outcomes;
  CheckOften([&outcomes] {
    History history;
    history.manners = AnyFailures(AnyManners());
    history.faults = AnyFaults();
    history.dead_host = std::max(0, AnyInt(-6, 3));
    history.dead_at = AnyInt(0, kFaultyTicks);
    Play play(history);
    play.Run();
    RC_ASSERT(play.open() == 0u);
    // Where the store was lost and a host is gone for good, nobody may be left who knows of it.
    const bool forgotten =
        history.dead_host != 0 && std::any_of(history.faults.begin(), history.faults.end(),
                                              [](auto& fault) { return fault.kind == Fault::kForget; });
    // One that was lost on its way to the disk, before any host knew of it, never was.
    if (play.ended().empty() && !forgotten) RC_ASSERT(play.truth().runs_on_source);
    // At the very end as well: whoever came back late was told nothing that undoes it.
    RC_ASSERT(play.truth().runs() || play.ended().empty() || Outcome(play) == "MIGRATION_PHASE_UNCERTAIN");
    ++outcomes[Outcome(play)];
  });
  // Else the histories would test nothing.
  for (const char* outcome : {"MOVED", "ROLLED_BACK", "UNCERTAIN"}) {
    EXPECT_GT(outcomes[StrCat("MIGRATION_PHASE_", outcome)], kHistories / 50) << outcome;
  }
}

// A sound network and hosts that answer: nothing is ever uncertain.
TEST(MigrationsProperty, WithHostsThatAnswerNothingIsUncertain) {
  CheckOften([] {
    History history;
    history.manners = AnyManners();
    const bool fails = *rc::gen::arbitrary<bool>();
    if (fails) history.manners.move = static_cast<MoveManners::Move>(AnyInt(0, 5));
    history.manners.settle_fails = *rc::gen::arbitrary<bool>();
    Play play(history);
    play.Run();
    RC_ASSERT(play.open() == 0u);
    RC_ASSERT(play.ended().size() == 1u);
    const bool arrives = history.manners.move == MoveManners::Move::kWorks ||
                         (history.manners.move == MoveManners::Move::kFailsArrived && history.manners.live);
    const bool settles = history.manners.live || !history.manners.settle_fails;
    RC_ASSERT(Outcome(play) == (arrives && settles ? "MIGRATION_PHASE_MOVED" : "MIGRATION_PHASE_ROLLED_BACK"));
    RC_ASSERT(!play.truth().copy_on_source && !play.truth().reserved);
  });
}

// A controller that comes back with its store, once or often, ends what it began, and nobody must look.
TEST(MigrationsProperty, AControllerThatIsStartedAnewBringsItToItsEnd) {
  CheckOften([] {
    History history;
    history.manners = AnyManners();
    const int restarts = AnyInt(1, 4);
    for (int i = 0; i < restarts; ++i) {
      history.faults.push_back({AnyInt(0, kFaultyTicks), Fault::kRestartController, 0, 0});
    }
    Play play(history);
    play.Run();
    RC_ASSERT(play.open() == 0u);
    RC_ASSERT(Outcome(play) == "MIGRATION_PHASE_MOVED" || Outcome(play) == "MIGRATION_PHASE_ROLLED_BACK");
  });
}

}  // namespace
}  // namespace truce::controller
