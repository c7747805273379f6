#include "controller/serve/scheduler_service.h"

#include <atomic>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/synchronization/mutex.h"
#include "controller/plan/place/simulate.h"
#include "controller/serve/answer.h"
#include "truce/v1/scheduler.grpc.pb.h"

namespace truce::controller {
namespace {

absl::Status MayAsk(const grpc::ServerContextBase& context) {
  return rpc::RequireRole(context, {rpc::Role::kScheduler, rpc::Role::kOperator});
}

// One stream of advices: the newest is written as soon as the one before has been. Deletes itself.
class AdviceStream final : public grpc::ServerWriteReactor<v1::WatchAdviceResponse> {
 public:
  // Nothing is watched when `refusal` is an error: it ends with that.
  AdviceStream(Advisor& advisor, absl::Status refusal, bool anew) : advisor_(advisor) {
    if (refusal.ok()) {
      const auto watcher = advisor_.Watch([this](const v1::Advice& advice) { Tell(advice); }, anew);
      if (watcher.ok()) {
        watcher_ = *watcher;
        return;
      }
      refusal = watcher.status();
    }
    absl::MutexLock lock(&mutex_);
    End(rpc::ToGrpc(refusal));
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) {
      End(grpc::Status::CANCELLED);
    } else if (waiting_.has_value()) {
      WriteWaiting();
    }
  }
  void OnCancel() override {
    absl::MutexLock lock(&mutex_);
    End(grpc::Status::CANCELLED);
  }
  void OnDone() override {
    if (watcher_ != 0) advisor_.Unwatch(watcher_);
    delete this;
  }

 private:
  void Tell(const v1::Advice& advice) {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    waiting_ = advice;
    if (!writing_) WriteWaiting();
  }
  void WriteWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (ended_) return;
    response_.Clear();
    if (waiting_->version() > 0) *response_.mutable_advice() = *std::move(waiting_);
    waiting_.reset();
    writing_ = true;
    StartWrite(&response_);
  }
  void End(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (ended_) return;
    ended_ = true;
    Finish(status);
  }

  Advisor& advisor_;
  uint64_t watcher_ = 0;
  absl::Mutex mutex_;
  std::optional<v1::Advice> waiting_ ABSL_GUARDED_BY(mutex_);
  v1::WatchAdviceResponse response_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

// A stream may last for days: it takes no thread while nothing happens. What is asked most is answered by the thread
// that read it. The rest take one of the threads for calls.
using SchedulerServiceBase = v1::SchedulerService::WithCallbackMethod_Place<
    v1::SchedulerService::WithCallbackMethod_WatchAdvice<v1::SchedulerService::Service>>;

class SchedulerServiceImpl final : public SchedulerServiceBase {
 public:
  SchedulerServiceImpl(Places& places, Advisor& advisor) : places_(places), advisor_(advisor) {}

  grpc::Status ScoreHosts(grpc::ServerContext* context, const v1::ScoreHostsRequest* request,
                          v1::ScoreHostsResponse* response) override {
    return Ask(context, &Places::ScoreHosts, *request, response);
  }
  grpc::ServerUnaryReactor* Place(grpc::CallbackServerContext* context, const v1::PlaceRequest* request,
                                  v1::PlaceResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(Ask(context, &Places::Place, *request, response));
    return reactor;
  }
  grpc::Status Reserve(grpc::ServerContext* context, const v1::ReserveRequest* request,
                       v1::ReserveResponse* response) override {
    return Ask(context, &Places::Reserve, *request, response);
  }
  grpc::Status Release(grpc::ServerContext* context, const v1::ReleaseRequest* request,
                       v1::ReleaseResponse* response) override {
    return Ask(context, &Places::Release, *request, response);
  }
  grpc::Status PredictInterference(grpc::ServerContext* context, const v1::PredictInterferenceRequest* request,
                                   v1::PredictInterferenceResponse* response) override {
    return Ask(context, &Places::Predict, *request, response);
  }
  grpc::Status ExplainPlacement(grpc::ServerContext* context, const v1::ExplainPlacementRequest* request,
                                v1::ExplainPlacementResponse* response) override {
    return Ask(context, &Places::Explain, *request, response);
  }
  grpc::Status Simulate(grpc::ServerContext* context, const v1::SimulateRequest* request,
                        v1::SimulateResponse* response) override {
    if (const absl::Status may = MayAsk(*context); !may.ok()) return rpc::ToGrpc(may);
    // It computes for seconds on a large fleet; operators' calls need threads and CPUs too.
    if (simulating_.exchange(true)) {
      return rpc::ToGrpc(absl::ResourceExhaustedError("another simulation is under way; ask again in some seconds"));
    }
    const absl::Cleanup done = [this] { simulating_.store(false); };
    return Answer(controller::Simulate(places_.Snapshot(), *request, [context] { return context->IsCancelled(); }),
                  response);
  }
  grpc::ServerWriteReactor<v1::WatchAdviceResponse>* WatchAdvice(grpc::CallbackServerContext* context,
                                                                 const v1::WatchAdviceRequest* request) override {
    return new AdviceStream(advisor_, MayAsk(*context), request->anew());  // Deletes itself.
  }

 private:
  template <typename Request, typename Response>
  grpc::Status Ask(grpc::ServerContextBase* context, absl::StatusOr<Response> (Places::*question)(const Request&),
                   const Request& request, Response* response) {
    if (const absl::Status may = MayAsk(*context); !may.ok()) return rpc::ToGrpc(may);
    // Nobody waits for the answer any more, and a place would be reserved for nobody.
    if (context->IsCancelled()) return grpc::Status::CANCELLED;
    return Answer((places_.*question)(request), response);
  }

  Places& places_;
  Advisor& advisor_;
  std::atomic<bool> simulating_{false};
};

}  // namespace

std::unique_ptr<grpc::Service> MakeSchedulerService(Places& places, Advisor& advisor) {
  return std::make_unique<SchedulerServiceImpl>(places, advisor);
}

}  // namespace truce::controller
