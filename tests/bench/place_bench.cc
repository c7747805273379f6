// truce-bench place: schedulers ask a controller for hosts, in-process and through gRPC on loopback, while hosts report
// as often as they would.
#include <grpcpp/grpcpp.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "controller/plan/policy.h"
#include "controller/serve/advisor.h"
#include "controller/serve/core.h"
#include "controller/serve/grpc_server.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "tests/bench/bench.h"
#include "tests/bench/place_fleet.h"
#include "truce/v1/scheduler.grpc.pb.h"

namespace truce::bench {
namespace {

constexpr absl::Duration kReportInterval = absl::Seconds(5);
// Reservations are as many in the end as at the beginning.
constexpr int kReservationSeconds = 1;

double ResidentMib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

double Percentile(std::vector<double>* values, double ratio) {
  if (values->empty()) return 0;
  const auto at = values->begin() + static_cast<std::ptrdiff_t>(ratio * static_cast<double>(values->size() - 1));
  std::nth_element(values->begin(), at, values->end());
  return *at;
}

// A controller that knows the fleet.
class Controller {
 public:
  static absl::StatusOr<std::unique_ptr<Controller>> Start(const PlaceFleet& fleet, const Clock& clock) {
    auto controller = std::unique_ptr<Controller>(new Controller(fleet, clock));
    controller::StoreOptions store;
    store.file = ":memory:";
    TRUCE_ASSIGN_OR_RETURN(controller->store_, controller::Store::Open(store, clock));
    controller::CoreOptions options;
    options.initial_policy = controller::DefaultPolicy();
    options.instance = "bench";
    controller->core_ = std::make_unique<controller::ControllerCore>(std::move(options), clock, *controller->store_);
    controller->advisor_ = std::make_unique<controller::Advisor>(
        controller::AdvisorOptions{.interval = absl::ZeroDuration()}, controller->places(), clock);
    controller::GrpcServerOptions server;
    server.listen = "127.0.0.1:0";
    server.plaintext = true;
    TRUCE_ASSIGN_OR_RETURN(controller->server_, StartGrpcServer(server, *controller->core_, *controller->advisor_));
    TRUCE_RETURN_IF_ERROR(controller->Fill());
    return controller;
  }

  controller::Places& places() { return core_->places(); }
  const std::string& address() const { return server_->address(); }
  // One host says again what it said before.
  void Report(size_t host) { places().OnHost(*hosts_[host], {}); }
  size_t hosts() const { return hosts_.size(); }

 private:
  Controller(const PlaceFleet& content, const Clock& clock) : content_(content), clock_(clock), fleet_({}) {}

  absl::Status Fill() {
    const controller::Moment now = controller::MomentOf(clock_);
    for (size_t a = 0; a < content_.signatures.size(); ++a) {
      places().OnSignature(ApplicationName(a), content_.signatures[a]);
    }
    for (size_t h = 0; h < content_.hellos.size(); ++h) {
      TRUCE_ASSIGN_OR_RETURN(const auto accepted, fleet_.OnHello(h + 1, content_.hellos[h], now));
      if (const auto refusal = fleet_.OnReport(*accepted.host, content_.reports[h], now)) {
        return absl::InternalError(refusal->detail);
      }
      hosts_.push_back(accepted.host);
      Report(h);
    }
    return absl::OkStatus();
  }

  const PlaceFleet& content_;
  const Clock& clock_;
  controller::Fleet fleet_;
  std::vector<const controller::HostState*> hosts_;
  std::unique_ptr<controller::Store> store_;
  std::unique_ptr<controller::ControllerCore> core_;
  std::unique_ptr<controller::Advisor> advisor_;
  std::unique_ptr<controller::GrpcServer> server_;
};

// Hosts report one after the other, each every five seconds, until it goes away.
class Reporters {
 public:
  Reporters(Controller& controller, const Clock& clock) : thread_([&] { Run(controller, clock); }) {}
  ~Reporters() {
    stop_.store(true);
    thread_.join();
  }

 private:
  void Run(Controller& controller, const Clock& clock) {
    const absl::Duration begin = clock.Monotonic();
    const double per_second = static_cast<double>(controller.hosts()) / absl::ToDoubleSeconds(kReportInterval);
    for (int64_t done = 0; !stop_.load();) {
      const auto due = static_cast<int64_t>(per_second * absl::ToDoubleSeconds(clock.Monotonic() - begin));
      for (; done < due; ++done) controller.Report(static_cast<size_t>(done) % controller.hosts());
      absl::SleepFor(absl::Milliseconds(1));
    }
  }

  std::atomic<bool> stop_{false};
  std::thread thread_;
};

v1::PlaceRequest MakeRequest(const PlaceFleet& fleet, std::mt19937_64& random) {
  v1::PlaceRequest request;
  *request.mutable_workload() = SomeWorkload(fleet, random);
  request.mutable_time_to_live()->set_seconds(kReservationSeconds);
  return request;
}

struct Asked {
  std::vector<double> milliseconds;
  double per_second = 0;
  int64_t refused = 0;
};

Asked AskInProcess(Controller& controller, const PlaceFleet& fleet, const PlaceBenchOptions& options,
                   const Surroundings& surroundings) {
  std::mt19937_64 random(1);
  Asked asked;
  const Clock& clock = *surroundings.clock;
  const absl::Duration begin = clock.Monotonic();
  absl::Duration now = begin;
  while (now - begin < options.window && !surroundings.stop->load()) {
    const v1::PlaceRequest request = MakeRequest(fleet, random);
    const absl::Duration before = clock.Monotonic();
    asked.refused += controller.places().Place(request).ok() ? 0 : 1;
    now = clock.Monotonic();
    asked.milliseconds.push_back(absl::ToDoubleMilliseconds(now - before));
  }
  asked.per_second = static_cast<double>(asked.milliseconds.size()) / absl::ToDoubleSeconds(now - begin);
  return asked;
}

// So many questions are under way at any time, by one thread over one channel.
class Scheduler {
 public:
  Scheduler(const std::string& address, const PlaceFleet& fleet, const Clock& clock)
      : stub_(v1::SchedulerService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))),
        fleet_(fleet),
        clock_(clock) {}

  Asked Run(int under_way, absl::Duration window, const std::atomic<bool>& stop) {
    Asked asked;
    const absl::Duration begin = clock_.Monotonic();
    for (int i = 0; i < under_way; ++i) Send();
    absl::Duration now = begin;
    int open = under_way;
    while (open > 0) {
      void* tag = nullptr;
      bool ok = false;
      if (!queue_.Next(&tag, &ok)) break;
      const std::unique_ptr<Call> call(static_cast<Call*>(tag));
      --open;
      now = clock_.Monotonic();
      asked.milliseconds.push_back(absl::ToDoubleMilliseconds(now - call->sent));
      asked.refused += call->status.ok() ? 0 : 1;
      if (now - begin < window && !stop.load()) {
        Send();
        ++open;
      }
    }
    asked.per_second = static_cast<double>(asked.milliseconds.size()) / absl::ToDoubleSeconds(now - begin);
    queue_.Shutdown();
    return asked;
  }

 private:
  struct Call {
    grpc::ClientContext context;
    v1::PlaceResponse response;
    grpc::Status status;
    absl::Duration sent;
    std::unique_ptr<grpc::ClientAsyncResponseReader<v1::PlaceResponse>> reader;
  };

  void Send() {
    auto* call = new Call;  // Comes back as the tag.
    call->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    call->sent = clock_.Monotonic();
    call->reader = stub_->AsyncPlace(&call->context, MakeRequest(fleet_, random_), &queue_);
    call->reader->Finish(&call->response, &call->status, call);
  }

  const std::unique_ptr<v1::SchedulerService::Stub> stub_;
  const PlaceFleet& fleet_;
  const Clock& clock_;
  grpc::CompletionQueue queue_;
  std::mt19937_64 random_{2};
};

void AddAsked(const std::string& name, Asked asked, bool targets, BenchResult* result) {
  FigureTable& table = result->table;
  const double count = static_cast<double>(asked.milliseconds.size());
  table.Add({.name = name + ", a second",
             .value = asked.per_second,
             .unit = "1/s",
             .target = targets ? std::optional(AtLeast(5000)) : std::nullopt});  // design.md section 7
  table.Add({.name = name + ", median", .value = Percentile(&asked.milliseconds, 0.5), .unit = "ms"});
  table.Add({.name = name + ", p99",
             .value = Percentile(&asked.milliseconds, 0.99),
             .unit = "ms",
             .target = targets ? std::optional(AtMost(5)) : std::nullopt});  // design.md section 7
  table.Add({.name = name + ", no host", .value = count > 0 ? static_cast<double>(asked.refused) / count : 0});
}

}  // namespace

absl::StatusOr<BenchResult> RunPlaceBench(const PlaceBenchOptions& options, const Surroundings& surroundings) {
  const Clock& clock = *surroundings.clock;
  BenchResult result;
  const PlaceFleet fleet = MakePlaceFleet(options.hosts, options.workloads, 1);
  malloc_trim(0);
  const double before = ResidentMib();
  const absl::Duration begin = clock.Monotonic();
  TRUCE_ASSIGN_OR_RETURN(const auto controller, Controller::Start(fleet, clock));
  result.notes.push_back(StrCat(options.hosts, " hosts, ", options.workloads, " workloads; through gRPC ",
                                options.under_way, " questions are under way at a time, and each host reports every ",
                                absl::FormatDuration(kReportInterval)));
  result.table.Add({.name = "fleet taken in",
                    .value = absl::ToDoubleMilliseconds(clock.Monotonic() - begin) / options.hosts,
                    .unit = "ms a host"});
  AddAsked("in-process", AskInProcess(*controller, fleet, options, surroundings), false, &result);
  {
    Scheduler scheduler(controller->address(), fleet, clock);
    AddAsked("gRPC, no reports", scheduler.Run(options.under_way, options.window, *surroundings.stop), false, &result);
  }
  {
    const Reporters reporters(*controller, clock);
    Scheduler scheduler(controller->address(), fleet, clock);
    AddAsked("gRPC", scheduler.Run(options.under_way, options.window, *surroundings.stop), true, &result);
  }
  result.table.Add({.name = "memory of the fleet, reports included", .value = ResidentMib() - before, .unit = "MiB"});
  if (!surroundings.stop->load()) TRUCE_RETURN_IF_ERROR(RunRebalanceBench(options, surroundings, &result));
  if (surroundings.stop->load()) return absl::CancelledError("interrupted");
  return result;
}

}  // namespace truce::bench
