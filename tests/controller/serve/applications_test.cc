// What the controller knows of applications: learned from every host's reports, kept over a restart, listed beside what
// runs now.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/plan/policy.h"
#include "controller/serve/core.h"
#include "src/base/text.h"
#include "tests/controller/host_builder.h"

namespace truce::controller {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// An agent that doesn't listen.
class DeafSink final : public SessionSink {
 public:
  void Queue(v1::ConnectResponse) override {}
  void QueueClose(absl::Status) override {}
  void Pump() override {}
};

// A workload of an application, and its signature where there is one.
struct Running {
  std::string workload;
  std::string application;
  std::optional<v1::Signature> signature;
};

class ApplicationsTest : public testing::Test {
 protected:
  ApplicationsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "truce-applications-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    Start();
  }
  ~ApplicationsTest() override {
    Stop();
    std::filesystem::remove_all(directory_);
  }

  void Start() {
    StoreOptions store_options;
    store_options.file = directory_ + "/controller.db";
    store_ = *Store::Open(store_options, clock_);
    CoreOptions options;
    options.initial_policy = DefaultPolicy();
    core_ = std::make_unique<ControllerCore>(std::move(options), clock_, *store_);
  }
  void Stop() {
    core_.reset();
    store_.reset();
  }
  // The session of a new agent.
  uint64_t Connect(const std::string& host) {
    const uint64_t session = core_->OnOpened(std::make_shared<DeafSink>(), std::nullopt);
    v1::ConnectRequest request;
    *request.mutable_hello() = MakeHello(host);
    core_->OnMessage(session, request);
    return session;
  }
  void Report(uint64_t session, const std::vector<Running>& workloads) {
    v1::ConnectRequest request;
    for (const Running& running : workloads) {
      v1::WorkloadReport* report = AddWorkload({running.workload}, request.mutable_report());
      report->mutable_workload()->set_application(running.application);
      if (running.signature.has_value()) *report->mutable_signature() = *running.signature;
    }
    core_->OnMessage(session, request);
  }
  std::vector<v1::ApplicationStatus> List(const std::string& application = "") {
    v1::ListApplicationsRequest request;
    request.set_application(application);
    const auto response = core_->ListApplications(request);
    EXPECT_TRUE(response.ok()) << response.status();
    if (!response.ok()) return {};
    return {response->applications().begin(), response->applications().end()};
  }

  std::string directory_;
  FakeClock clock_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ControllerCore> core_;
};

TEST_F(ApplicationsTest, AreLearnedFromAllHostsAndListedWithWhatRuns) {
  const uint64_t first = Connect("web-1");
  const uint64_t second = Connect("web-2");
  Report(first,
         {{"a", "cache", MakeSignature("m1", {0, 0}, 0.2)}, {"b", "cache", std::nullopt}, {"c", "", std::nullopt}});
  Report(second, {{"a", "cache", MakeSignature("m1", {0, 0}, 0.4)},
                  {"b", "batch", MakeSignature("m1", {1, 1})},
                  {"c", "fresh", std::nullopt},
                  {"d", "", MakeSignature("m1", {0, 0})}});
  const auto all = List();
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_EQ(all[0].application(), "batch");
  EXPECT_EQ(all[0].workload_count(), 1u);
  EXPECT_THAT(all[0].hosts(), ElementsAre("web-2"));
  const v1::ApplicationStatus& cache = all[1];
  EXPECT_EQ(cache.application(), "cache");
  EXPECT_EQ(cache.workload_count(), 3u);
  EXPECT_THAT(cache.hosts(), ElementsAre("web-1", "web-2"));
  EXPECT_EQ(cache.learned().sample_count(), 2u);
  EXPECT_DOUBLE_EQ(cache.learned().signature().kinds(0).hurts_on_same_cpus_ratio(), 0.3);
  ASSERT_THAT(cache.resembles(), SizeIs(1));
  EXPECT_EQ(cache.resembles(0).name(), "batch");
  EXPECT_DOUBLE_EQ(cache.resembles(0).similarity(), std::exp(-0.5));
  EXPECT_EQ(all[2].application(), "fresh");
  EXPECT_FALSE(all[2].has_learned());
  EXPECT_THAT(all[2].resembles(), IsEmpty());
}

TEST_F(ApplicationsTest, OneThatNoLongerRunsIsStillKnownAndOneThatNeverDidIsNot) {
  const uint64_t session = Connect("web-1");
  Report(session, {{"a", "Shop-Cache", MakeSignature("m1", {0})}});
  Report(session, {{"b", "batch", std::nullopt}});
  const auto cache = List("Shop-Cache");
  ASSERT_THAT(cache, SizeIs(1));
  EXPECT_EQ(cache[0].workload_count(), 0u);
  EXPECT_THAT(cache[0].hosts(), IsEmpty());
  EXPECT_TRUE(cache[0].has_learned());
  const auto refusal = [&](const std::string& name) {
    v1::ListApplicationsRequest request;
    request.set_application(name);
    const absl::Status status = core_->ListApplications(request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << name;
    return std::string(status.message());
  };
  EXPECT_THAT(refusal("cache"), HasSubstr("did you mean: Shop-Cache"));
  EXPECT_THAT(refusal("nobody"), HasSubstr("trucectl get applications"));
}

TEST_F(ApplicationsTest, AnUnsoundSignatureTeachesNothingIsToldOnceAndLeavesTheRestOfItsReport) {
  const uint64_t session = Connect("web-1");
  Report(session, {{"a", "cache", MakeSignature("m1", {0})}});
  for (int i = 0; i < 2; ++i) {
    Report(session, {{"a", "cache", MakeSignature("m1", {0}, -1)}, {"b", "batch", MakeSignature("m1", {0})}});
  }
  EXPECT_EQ(List("cache").at(0).learned().sample_count(), 1u);
  EXPECT_EQ(List("batch").at(0).learned().sample_count(), 2u);
  EXPECT_EQ(core_->Metrics().counts.refused_by_reason.at("bad_signature"), 2u);
  const auto response = core_->ListEvents({});
  ASSERT_TRUE(response.ok()) << response.status();
  std::vector<std::string> told;
  for (const v1::Event& event : response->events()) {
    if (event.kind() == "part_refused") told.push_back(event.message());
  }
  EXPECT_THAT(told, ElementsAre(HasSubstr("signature of workload \"a\"")));
}

TEST_F(ApplicationsTest, WhatRunsOnAHostThatIsGoneIsNotCounted) {
  const uint64_t first = Connect("web-1");
  const uint64_t second = Connect("web-2");
  Report(first, {{"a", "cache", MakeSignature("m1", {0})}, {"b", "unsigned", std::nullopt}});
  Report(second, {{"a", "cache", std::nullopt}});
  core_->OnClosed(first);
  for (const auto& listed : {List(), List("cache")}) {
    ASSERT_THAT(listed, SizeIs(1)) << "of the other nothing was learned";
    EXPECT_EQ(listed[0].workload_count(), 1u);
    EXPECT_THAT(listed[0].hosts(), ElementsAre("web-2"));
    EXPECT_TRUE(listed[0].has_learned());
  }
  v1::ListApplicationsRequest request;
  request.set_application("unsigned");
  EXPECT_EQ(core_->ListApplications(request).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ApplicationsTest, ManyAreStoredOverSeveralTicksAndComparedByNameOnly) {
  constexpr size_t kMany = 1'200;
  std::vector<Running> many;
  for (size_t i = 0; i < kMany; ++i) many.push_back({StrCat("w", i), StrCat("app", i), MakeSignature("m1", {0})});
  Report(Connect("web-1"), many);
  core_->Tick();
  core_->Tick();
  Stop();
  Start();
  const auto all = List();
  ASSERT_THAT(all, SizeIs(kMany)) << "a tick stores 1,000";
  EXPECT_THAT(all[0].resembles(), IsEmpty());
  ASSERT_THAT(List("app7"), SizeIs(1));
  EXPECT_THAT(List("app7").at(0).resembles(), SizeIs(5));
}

TEST_F(ApplicationsTest, AreStoredOnceAMinuteAndKnownAfterARestart) {
  const std::vector<Running> cache = {{"a", "cache", MakeSignature("m1", {0})}};
  uint64_t session = Connect("web-1");
  Report(session, cache);
  core_->Tick();
  Report(session, cache);
  clock_.Advance(absl::Seconds(30));
  core_->Tick();
  Stop();
  Start();
  ASSERT_THAT(List("cache"), SizeIs(1));
  EXPECT_EQ(List("cache").at(0).workload_count(), 0u);
  EXPECT_EQ(List("cache").at(0).learned().sample_count(), 1u) << "half a minute is too early for another write";
  session = Connect("web-1");
  Report(session, cache);
  core_->Tick();
  Report(session, cache);
  clock_.Advance(absl::Seconds(60));
  core_->Tick();
  Stop();
  Start();
  EXPECT_EQ(List("cache").at(0).learned().sample_count(), 3u);
}

}  // namespace
}  // namespace truce::controller
