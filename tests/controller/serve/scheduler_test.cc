// SchedulerService over the wire: what schedulers ask, and the advice that they watch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/controller/serve/running_controller.h"
#include "truce/v1/scheduler.grpc.pb.h"

namespace truce::controller {
namespace {

using testing::HasSubstr;

class SchedulerTest : public testing::Test {
 protected:
  SchedulerTest() {
    agent_.Connect(MakeHello("web-1"));
    Report(MakeScene());
  }
  void Report(v1::Report report) {
    agent_.Send(std::move(report));
    agent_.ReadDesired();
  }
  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (v1::SchedulerService::Stub::*call)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    return (stub_.get()->*call)(&context, request, response);
  }

  RunningController controller_;
  TestAgent agent_{controller_};
  const std::unique_ptr<v1::SchedulerService::Stub> stub_ = v1::SchedulerService::NewStub(controller_.Channel());
};

TEST_F(SchedulerTest, ReservesReleasesAndSaysWhyNot) {
  v1::ReserveRequest request;
  request.set_host("web-1");
  request.mutable_workload()->set_cpu_cores(1);
  v1::ReserveResponse reserved;
  ASSERT_TRUE(Call(&v1::SchedulerService::Stub::Reserve, request, &reserved).ok());
  v1::ReserveResponse second;
  const grpc::Status full = Call(&v1::SchedulerService::Stub::Reserve, request, &second);
  EXPECT_EQ(full.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(full.error_message(), HasSubstr("host web-1 won't do: 0.20 cores are free and 1.00 cores are asked for"));
  v1::ReleaseRequest release;
  release.set_reservation_id(reserved.reservation_id());
  v1::ReleaseResponse released;
  ASSERT_TRUE(Call(&v1::SchedulerService::Stub::Release, release, &released).ok());
  EXPECT_TRUE(released.released());
  EXPECT_TRUE(Call(&v1::SchedulerService::Stub::Reserve, request, &second).ok());
}

TEST_F(SchedulerTest, InterferenceIsPredictedOnceASignatureCame) {
  v1::PredictInterferenceRequest request;
  request.mutable_workload()->set_application("noisy");
  v1::PredictInterferenceResponse response;
  EXPECT_EQ(Call(&v1::SchedulerService::Stub::PredictInterference, request, &response).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  v1::Report report = MakeScene();
  v1::WorkloadReport& stress = *report.mutable_workloads(1);
  stress.mutable_workload()->set_application("noisy");
  *stress.mutable_signature() = MakeSignature("m", {1, 2}, 0.4);
  stress.mutable_signature()->mutable_resources(0)->set_usual_ratio(0.1);
  Report(report);
  ASSERT_TRUE(Call(&v1::SchedulerService::Stub::PredictInterference, request, &response).ok());
  EXPECT_TRUE(response.known());
  // By stress, which is as noisy, and redis, which counts as usual.
  EXPECT_NEAR(response.hosts(0).slowdown_ratio(), 0.4 * 0.4 / 0.1 + 0.4, 1e-6);
}

TEST_F(SchedulerTest, APlacementIsExplainedAndAFailureSimulated) {
  v1::ExplainPlacementRequest explain;
  explain.mutable_running()->set_workload("redis");
  v1::ExplainPlacementResponse explained;
  const grpc::Status status = Call(&v1::SchedulerService::Stub::ExplainPlacement, explain, &explained);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(explained.current().host(), "web-1");
  EXPECT_EQ(explained.alternatives_size(), 0);
  explain.mutable_running()->set_workload("nobody");
  EXPECT_EQ(Call(&v1::SchedulerService::Stub::ExplainPlacement, explain, &explained).error_code(),
            grpc::StatusCode::NOT_FOUND);
  v1::SimulateRequest simulate;
  simulate.add_fail_hosts("web-1");
  v1::SimulateResponse simulated;
  ASSERT_TRUE(Call(&v1::SchedulerService::Stub::Simulate, simulate, &simulated).ok());
  EXPECT_EQ(simulated.homeless_count(), 2u) << "there is no other host";
}

TEST_F(SchedulerTest, AdviceIsWatched) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  const auto stream = stub_->WatchAdvice(&context, {});
  v1::WatchAdviceResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_FALSE(response.has_advice()) << "none was thought out yet";
  controller_.clock.Advance(absl::Minutes(6));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.advice().version(), 1u);
  EXPECT_EQ(response.advice().moves_size(), 0) << "there is one host";
  EXPECT_EQ(response.advice().before().hosts_in_use(), 1u);
  grpc::ClientContext late;
  const auto second = stub_->WatchAdvice(&late, {});
  ASSERT_TRUE(second->Read(&response));
  EXPECT_EQ(response.advice().version(), 1u) << "who comes later gets the newest at once";
  late.TryCancel();
  EXPECT_EQ(second->Finish().error_code(), grpc::StatusCode::CANCELLED);
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(SchedulerTest, AdviceIsThoughtOutAnewForWhoAsks) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  v1::WatchAdviceRequest request;
  request.set_anew(true);
  const auto stream = stub_->WatchAdvice(&context, request);
  v1::WatchAdviceResponse response;
  // Its clock stands still: the interval never ends.
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.advice().version(), 1u);
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

// What an advisor tells whoever watches.
struct Heard {
  absl::Mutex mutex;
  std::vector<uint64_t> versions ABSL_GUARDED_BY(mutex);
  Advisor::Watcher watcher() {
    return [this](const v1::Advice& advice) {
      absl::MutexLock lock(&mutex);
      versions.push_back(advice.version());
    };
  }
  bool Await(size_t count) {
    absl::MutexLock lock(&mutex);
    const auto there = [&] {
      mutex.AssertHeld();
      return versions.size() >= count;
    };
    return mutex.AwaitWithTimeout(absl::Condition(&there), absl::Seconds(20));
  }
};

TEST(AdvisorTest, AllWhoAskAtATimeGetOneAndWhoAskedBeforeGetsItToo) {
  FakeClock clock;
  Places places({"run"}, clock);
  Advisor advisor({}, places, clock);
  Heard old, one, two;
  ASSERT_TRUE(advisor.Watch(old.watcher()).ok());
  const auto first = advisor.Watch(one.watcher(), true);
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(one.Await(1));
  advisor.Unwatch(*first);
  // The next is begun after a rest.
  ASSERT_TRUE(advisor.Watch(two.watcher(), true).ok());
  ASSERT_TRUE(two.Await(1) && old.Await(3));
  absl::MutexLock lock(&old.mutex);
  EXPECT_THAT(old.versions, testing::ElementsAre(0U, 1U, 2U));
  absl::MutexLock of_two(&two.mutex);
  EXPECT_THAT(two.versions, testing::ElementsAre(2U)) << "nothing older";
}

TEST(AdvisorTest, OneThatGivesNoneSaysSoToWhoWantsOneAnew) {
  FakeClock clock;
  Places places({"run"}, clock);
  Advisor advisor({.interval = absl::ZeroDuration()}, places, clock);
  Heard heard;
  EXPECT_TRUE(absl::IsFailedPrecondition(advisor.Watch(heard.watcher(), true).status()));
  EXPECT_TRUE(advisor.Watch(heard.watcher()).ok());
}

TEST_F(SchedulerTest, WhatNobodyWaitsForAnyMoreReservesNothing) {
  v1::PlaceRequest request;
  request.mutable_workload()->set_cpu_cores(0.1);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() - std::chrono::seconds(1));
  v1::PlaceResponse response;
  EXPECT_EQ(stub_->Place(&context, request, &response).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(controller_.core->places().reservations(), 0u);
}

}  // namespace
}  // namespace truce::controller
