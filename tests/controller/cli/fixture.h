// A fake controller on a free loopback port, and trucectl run against it with its streams captured. The fake answers
// what the test puts into it and keeps the last request of each kind.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "controller/cli/app.h"
#include "src/base/clock.h"
#include "src/base/text.h"
#include "truce/v1/operator.grpc.pb.h"
#include "truce/v1/scheduler.grpc.pb.h"

namespace truce::cli {

// The scheduler's half: answers what the test puts into it.
class FakeScheduler final : public v1::SchedulerService::Service {
 public:
  absl::Mutex mutex;
#define TRUCE_FAKE_CALL(Name, name)                                                                                  \
  grpc::Status Name(grpc::ServerContext*, const v1::Name##Request* request, v1::Name##Response* response) override { \
    const absl::MutexLock lock(&mutex);                                                                              \
    name##_request = *request;                                                                                       \
    *response = name;                                                                                                \
    return grpc::Status::OK;                                                                                         \
  }                                                                                                                  \
  v1::Name##Request name##_request;                                                                                  \
  v1::Name##Response name;
  TRUCE_FAKE_CALL(Place, place)
  TRUCE_FAKE_CALL(Release, release)
  TRUCE_FAKE_CALL(ExplainPlacement, explanation)
  TRUCE_FAKE_CALL(Simulate, simulation)
#undef TRUCE_FAKE_CALL
  grpc::Status WatchAdvice(grpc::ServerContext*, const v1::WatchAdviceRequest* request,
                           grpc::ServerWriter<v1::WatchAdviceResponse>* writer) override {
    const absl::MutexLock lock(&mutex);
    advice_request = *request;
    writer->Write(advice);
    return grpc::Status::OK;
  }
  v1::WatchAdviceRequest advice_request;
  v1::WatchAdviceResponse advice;
};

class FakeController final : public v1::OperatorService::Service {
 public:
  // Starts on a free port of 127.0.0.1, in plain text unless credentials are given.
  void Start(const std::shared_ptr<grpc::ServerCredentials>& credentials = grpc::InsecureServerCredentials()) {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", credentials, &port);
    builder.RegisterService(this);
    builder.RegisterService(&scheduler);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    address_ = StrCat("127.0.0.1:", port);
  }
  void Stop() { server_->Shutdown(); }
  const std::string& address() const { return address_; }

  // Held by each call. A test that holds it for a moment sees what earlier calls wrote, and later ones see what it
  // wrote: the socket between them orders that as well, but no language rule says so.
  absl::Mutex mutex;

  // What every call fails with, when not OK.
  grpc::Status failure;

#define TRUCE_FAKE_CALL(Name, name)                                                                                  \
  grpc::Status Name(grpc::ServerContext*, const v1::Name##Request* request, v1::Name##Response* response) override { \
    const absl::MutexLock lock(&mutex);                                                                              \
    name##_request = *request;                                                                                       \
    ++calls;                                                                                                         \
    if (!failure.ok()) return failure;                                                                               \
    *response = name;                                                                                                \
    return grpc::Status::OK;                                                                                         \
  }                                                                                                                  \
  v1::Name##Request name##_request;                                                                                  \
  v1::Name##Response name;

  FakeScheduler scheduler;
  int calls = 0;
  TRUCE_FAKE_CALL(ListHosts, hosts)
  TRUCE_FAKE_CALL(ListWorkloads, workloads)
  TRUCE_FAKE_CALL(ListApplications, applications)
  TRUCE_FAKE_CALL(ListPairs, pairs)
  TRUCE_FAKE_CALL(ListActions, actions)
  TRUCE_FAKE_CALL(ListEvents, events)
  TRUCE_FAKE_CALL(ListReceipts, receipts)
  TRUCE_FAKE_CALL(ListDecisions, decisions)
  TRUCE_FAKE_CALL(Explain, explanation)
  TRUCE_FAKE_CALL(SetMode, mode)
  TRUCE_FAKE_CALL(Hold, hold)
  TRUCE_FAKE_CALL(Resume, resume)
  TRUCE_FAKE_CALL(GetPolicy, policy)
  TRUCE_FAKE_CALL(ApplyPolicy, applied)
  TRUCE_FAKE_CALL(ListMigrations, migrations)
  TRUCE_FAKE_CALL(Migrate, migrated)
  TRUCE_FAKE_CALL(VerifyMigration, verified)
  TRUCE_FAKE_CALL(ListModels, models)
  TRUCE_FAKE_CALL(RollBackModel, rolled_back)
#undef TRUCE_FAKE_CALL

 private:
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

// Ends a watch after so many blocks; runs `between` before each further one.
class CountingPacer final : public Pacer {
 public:
  void Begin() override { begun = true; }
  bool Wait(absl::Duration /*duration*/) override {
    if (between) between();
    return --blocks > 0;
  }
  bool begun = false;
  int blocks = 1;
  std::function<void()> between;
};

struct Result {
  int code = -1;
  std::string out;
  std::string err;
};

class CliTest : public testing::Test {
 protected:
  void SetUp() override { controller_.Start(); }

  // `trucectl ARGUMENTS...` without a server.
  Result RunAlone(const std::vector<std::string>& arguments) {
    std::istringstream in(input_);
    std::ostringstream out;
    std::ostringstream err;
    Console console{.in = in,
                    .out = out,
                    .err = err,
                    .clock = clock_,
                    .pacer = pacer_,
                    .environment = environment_,
                    .host_name = "web-17",
                    .terminal = terminal_,
                    .width = width_};
    Result result;
    result.code = cli::Run(arguments, console);
    result.out = out.str();
    result.err = err.str();
    return result;
  }
  // `trucectl ARGUMENTS... --server FAKE --plaintext`.
  Result RunWith(std::vector<std::string> arguments) {
    for (const std::string& flag : {std::string("--server"), controller_.address(), std::string("--plaintext")}) {
      arguments.push_back(flag);
    }
    { const absl::MutexLock before(&controller_.mutex); }
    Result result = RunAlone(arguments);
    { const absl::MutexLock after(&controller_.mutex); }
    return result;
  }
  // `age` ago by the test's clock.
  google::protobuf::Timestamp Ago(absl::Duration age) const {
    google::protobuf::Timestamp moment;
    moment.set_seconds(absl::ToUnixSeconds(clock_.Now() - age));
    return moment;
  }

  FakeClock clock_;
  FakeController controller_;
  CountingPacer pacer_;
  std::map<std::string, std::string> environment_;
  std::string input_;
  bool terminal_ = false;
  int width_ = 0;
};

}  // namespace truce::cli
