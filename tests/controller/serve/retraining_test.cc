// What agents report becomes history that outlives the controller, and retraining that can't be done is told once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/serve/core.h"
#include "src/base/text.h"
#include "tests/controller/host_builder.h"
#include "tests/fixtures/tree.h"

namespace truce::controller {
namespace {

class NoSink final : public SessionSink {
 public:
  void Queue(v1::ConnectResponse) override {}
  void QueueClose(absl::Status) override {}
  void Pump() override {}
};

class RetrainingInCoreTest : public testing::Test {
 protected:
  RetrainingInCoreTest() {
    RetrainingOptions retraining;
    retraining.retrainer.program = tree_.Path("no-truce-lab");
    retraining.retrainer.directory = tree_.Path("retraining");
    retraining.schedule.least_history = absl::Minutes(10);
    retraining.schedule.least_values = 20;
    retraining.schedule.retry = absl::Minutes(10);
    options_.retraining = retraining;
    options_.instance = "test";
    store_options_.file = tree_.Path("controller.db");
  }
  std::unique_ptr<Store> OpenStore() { return *Store::Open(store_options_, clock_); }
  // Reports for so long.
  void Report(ControllerCore* core, absl::Duration time) {
    const uint64_t session = core->OnOpened(std::make_shared<NoSink>(), std::nullopt);
    v1::ConnectRequest hello;
    *hello.mutable_hello() = MakeHello("web-1");
    core->OnMessage(session, hello);
    for (absl::Duration passed; passed < time; passed += absl::Seconds(5)) {
      v1::ConnectRequest request;
      *request.mutable_report() = MakeScene(0);
      core->OnMessage(session, request);
      core->Tick();
      clock_.Advance(absl::Seconds(5));
    }
    core->OnClosed(session);
  }
  int Events(ControllerCore* core, Store* store, const std::string& kind) {
    EXPECT_TRUE(store->Flush().ok());
    const auto events = core->ListEvents({});
    int count = 0;
    if (events.ok()) {
      for (const auto& event : events->events()) count += event.kind() == kind;
    }
    return count;
  }
  static double Values(ControllerCore* core) { return static_cast<double>(core->Metrics().demand_history_values); }

  test::Tree tree_;
  FakeClock clock_{absl::FromUnixSeconds(1'700'000'010)};
  CoreOptions options_;
  StoreOptions store_options_;
};

TEST_F(RetrainingInCoreTest, HistoryOutlivesTheController) {
  double before = 0;
  {
    const auto store = OpenStore();
    ControllerCore core(options_, clock_, *store);
    Report(&core, absl::Minutes(20));
    before = Values(&core);
    EXPECT_NEAR(before, 2 * 40, 4) << "two workloads, a value each 30 s";
  }
  const auto store = OpenStore();
  ControllerCore core(options_, clock_, *store);
  EXPECT_GE(Values(&core), before / 2 - 1);
  EXPECT_GT(Values(&core), 0);
}

TEST_F(RetrainingInCoreTest, WithoutAProgramItIsSaidOnceAndTriedAgain) {
  const auto store = OpenStore();
  ControllerCore core(options_, clock_, *store);
  Report(&core, absl::Minutes(11));
  while (Events(&core, store.get(), "retraining_failed") == 0) core.Tick();
  EXPECT_EQ(Events(&core, store.get(), "retraining_failed"), 1);
  const uint64_t failed = core.Metrics().retrainings_by_outcome["failed"];
  clock_.Advance(absl::Hours(3));
  while (core.Metrics().retrainings_by_outcome["failed"] == failed) core.Tick();
  EXPECT_EQ(Events(&core, store.get(), "retraining_failed"), 1);
}

TEST_F(RetrainingInCoreTest, SwitchedOffNothingIsKept) {
  options_.retraining.reset();
  const auto store = OpenStore();
  ControllerCore core(options_, clock_, *store);
  Report(&core, absl::Minutes(11));
  EXPECT_EQ(Values(&core), 0);
  EXPECT_EQ(Events(&core, store.get(), "retraining_failed"), 0);
}

}  // namespace
}  // namespace truce::controller
