#include "lab/fleet/control/in_process.h"

#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "controller/plan/place/advise.h"
#include "lab/fleet/control/local_controller.h"
#include "src/base/status.h"

namespace truce::lab::fleet {
namespace {

// Where answers to an agent end. The store's thread may call it, too.
class Unheard final : public controller::SessionSink {
 public:
  void Queue(v1::ConnectResponse) override {}
  void QueueClose(absl::Status status) override {
    absl::MutexLock lock(&mutex_);
    status_.Update(status);
  }
  void Pump() override {}
  absl::Status status() {
    absl::MutexLock lock(&mutex_);
    return status_;
  }

 private:
  absl::Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

class InProcess final : public ControllerLink {
 public:
  InProcess(const InProcessOptions& options, std::unique_ptr<FakeClock> clock,
            std::unique_ptr<LocalController> controller)
      : options_(options), clock_(std::move(clock)), controller_(std::move(controller)) {}

  absl::Status Connect(const v1::Hello& hello) override {
    Stream& stream = streams_.emplace_back();
    stream.sink = std::make_shared<Unheard>();
    stream.id = core().OnOpened(stream.sink, std::nullopt);
    v1::ConnectRequest request;
    *request.mutable_hello() = hello;
    core().OnMessage(stream.id, std::move(request));
    return stream.sink->status();
  }

  absl::Status Report(size_t host, const v1::Report& report) override {
    v1::ConnectRequest request;
    *request.mutable_report() = report;
    core().OnMessage(streams_[host].id, std::move(request));
    return streams_[host].sink->status();
  }

  void Elapse(absl::Duration time) override { clock_->Advance(time); }

  absl::StatusOr<v1::PlaceResponse> Place(const v1::PlaceRequest& request) override { return places().Place(request); }
  absl::StatusOr<v1::ScoreHostsResponse> ScoreHosts(const v1::ScoreHostsRequest& request) override {
    return places().ScoreHosts(request);
  }
  absl::StatusOr<v1::ReserveResponse> Reserve(const v1::ReserveRequest& request) override {
    return places().Reserve(request);
  }
  absl::StatusOr<v1::ReleaseResponse> Release(const v1::ReleaseRequest& request) override {
    return places().Release(request);
  }

  absl::StatusOr<v1::Advice> Advise(int32_t most_moves) override {
    TRUCE_RETURN_IF_ERROR(controller_->Understood());
    const controller::PlacesSnapshot snapshot = places().Snapshot();
    int64_t workloads = 0;
    for (const auto& host : snapshot.hosts) workloads += std::ssize(host.picture.residents);
    controller::AdviseOptions options;
    options.time = absl::InfiniteDuration();
    options.iterations = options_.tries * workloads;
    options.seed = options_.seed + advices_++;
    options.most_moves = most_moves;
    return controller::Advise(snapshot, options);
  }

 private:
  struct Stream {
    std::shared_ptr<Unheard> sink;
    uint64_t id = 0;
  };
  controller::ControllerCore& core() { return controller_->core(); }
  controller::Places& places() { return core().places(); }

  const InProcessOptions options_;
  const std::unique_ptr<FakeClock> clock_;
  const std::unique_ptr<LocalController> controller_;
  std::vector<Stream> streams_;
  uint64_t advices_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ControllerLink>> LinkInProcess(const InProcessOptions& options) {
  auto clock = std::make_unique<FakeClock>();
  TRUCE_ASSIGN_OR_RETURN(auto controller, LocalController::Start(*clock));
  return std::make_unique<InProcess>(options, std::move(clock), std::move(controller));
}

}  // namespace truce::lab::fleet
