#include "agent/link/controller_link.h"

#include <grpcpp/create_channel.h>
#include <spdlog/spdlog.h>

#include <deque>
#include <random>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/link/unreachable.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/rpc/security.h"
#include "src/rpc/unreachable.h"
#include "truce/v1/agent.grpc.pb.h"

namespace truce::agent {
namespace {

// A host has few workloads and two levers; a set larger than this is not for this host.
constexpr int kMostActions = 4096;
// Of models that came and were not taken yet, and answers to them that wait: there are two kinds of models.
constexpr size_t kMostOffers = 8;
constexpr int kLargestMessageBytes = 8 << 20;
// What a call that is made to learn why there is no connection may take.
constexpr absl::Duration kAskWhyLimit = absl::Seconds(1);
// A controller that says nothing to a goodbye for this long is left without one.
constexpr absl::Duration kGoodbyeLimit = absl::Seconds(5);

using Stream = grpc::ClientReaderWriter<v1::ConnectRequest, v1::ConnectResponse>;

class StreamingLink final : public ControllerLink {
 public:
  StreamingLink(const LinkOptions& options, v1::Hello hello)
      : options_(options), hello_(std::move(hello)), random_(std::random_device{}()), thread_([this] { Run(); }) {}

  ~StreamingLink() override { Stop(absl::ZeroDuration()); }

  void SetHello(v1::Hello hello) override {
    absl::MutexLock lock(&mutex_);
    hello_ = std::move(hello);
  }

  void Reconnect() override {
    absl::MutexLock lock(&mutex_);
    if (context_ == nullptr) return;
    leaving_ = true;
    leaving_since_ = absl::Now();
  }

  void Offer(v1::Report report) override {
    absl::MutexLock lock(&mutex_);
    // A controller that does not read blocks the writer, which then never gets to its goodbye.
    if (leaving_ && context_ != nullptr && absl::Now() - leaving_since_ > 2 * kGoodbyeLimit) context_->TryCancel();
    if (reports_.size() >= static_cast<size_t>(options_.spooled_reports)) {
      reports_.pop_front();
      ++status_.reports_dropped;
      ++dropped_since_sent_;
    }
    reports_.push_back(std::move(report));
  }

  void OfferReceipts(std::vector<v1::Receipt> receipts) override {
    if (receipts.empty()) return;
    absl::MutexLock lock(&mutex_);
    v1::ReceiptBatch batch;
    batch.set_batch_id(static_cast<uint64_t>(absl::GetCurrentTimeNanos()));  // unique per host, also across restarts
    for (v1::Receipt& receipt : receipts) *batch.add_receipts() = std::move(receipt);
    unsent_receipts_.push_back(std::move(batch));
    while (unsent_receipts_.size() + unacknowledged_.size() > static_cast<size_t>(options_.spooled_receipts)) {
      const bool was_sent = !unacknowledged_.empty();
      const v1::ReceiptBatch& oldest = was_sent ? unacknowledged_.front().batch : unsent_receipts_.front();
      status_.receipts_dropped += static_cast<uint64_t>(oldest.receipts_size());
      if (was_sent) {
        unacknowledged_.pop_front();
      } else {
        unsent_receipts_.pop_front();
      }
    }
  }

  std::optional<v1::DesiredSet> TakeDesiredSet() override {
    absl::MutexLock lock(&mutex_);
    return std::exchange(desired_, std::nullopt);
  }

  void Answer(v1::DesiredSetResult result) override {
    absl::MutexLock lock(&mutex_);
    // An answer belongs to the stream that asked; after a reconnect the hello says what is held.
    if (connected_) answers_.push_back(std::move(result));
  }

  std::vector<v1::ModelOffer> TakeModelOffers() override {
    absl::MutexLock lock(&mutex_);
    return std::exchange(offers_, {});
  }

  std::optional<v1::ModelChunk> TakeModelChunk() override {
    absl::MutexLock lock(&mutex_);
    return std::exchange(chunk_, std::nullopt);
  }

  void Ask(v1::ModelRequest request) override {
    absl::MutexLock lock(&mutex_);
    if (connected_) model_request_ = std::move(request);
  }

  void Answer(v1::ModelAnswer answer) override {
    absl::MutexLock lock(&mutex_);
    if (connected_ && model_answers_.size() < kMostOffers) model_answers_.push_back(std::move(answer));
  }

  LinkStatus status() const override {
    absl::MutexLock lock(&mutex_);
    LinkStatus status = status_;
    status.connected = connected_;
    return status;
  }

  void Stop(absl::Duration limit) override {
    {
      absl::MutexLock lock(&mutex_);
      if (stopped_) return;
      mutex_.AwaitWithTimeout(absl::Condition(this, &StreamingLink::NothingToDeliver), limit);
      stopped_ = true;
      if (context_ != nullptr) context_->TryCancel();
    }
    thread_.join();
  }

 private:
  struct SentBatch {
    v1::ReceiptBatch batch;
    absl::Time sent_at;
  };

  // Queues again, in their order, what was sent before `sent_before` and not acknowledged; the controller knows batches
  // by their ids.
  void SendAgain(absl::Time sent_before) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto overdue = unacknowledged_.begin();
    while (overdue != unacknowledged_.end() && overdue->sent_at < sent_before) ++overdue;
    for (auto it = overdue; it != unacknowledged_.begin();) unsent_receipts_.push_front(std::move((--it)->batch));
    unacknowledged_.erase(unacknowledged_.begin(), overdue);
  }

  bool NothingToDeliver() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !connected_ || (unsent_receipts_.empty() && unacknowledged_.empty());
  }
  bool SomethingToWrite() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopped_ || broken_ || leaving_ || !reports_.empty() || !unsent_receipts_.empty() || !answers_.empty() ||
           !model_answers_.empty() || model_request_.has_value();
  }

  void Run() {
    absl::Duration backoff = options_.first_backoff;
    while (true) {
      const absl::Time began = absl::Now();
      const absl::Status status = RunOneStream();
      {
        absl::MutexLock lock(&mutex_);
        if (stopped_) return;
        const std::string reason(StdView(status.message()));
        if (!status.ok() && reason != status_.last_error) {
          spdlog::warn("controller {}: {}; retrying", options_.address, reason);
        }
        status_.last_error = reason;
      }
      // A stream that held for a while was healthy: begin again with short waits.
      if (absl::Now() - began > absl::Minutes(1)) backoff = options_.first_backoff;
      const absl::Duration wait = backoff * std::uniform_real_distribution<double>(0.5, 1.0)(random_);
      backoff = std::min(backoff * 2, options_.longest_backoff);
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&stopped_), wait);
      if (stopped_) return;
    }
  }

  // OK when it ended because Reconnect() asked for that.
  absl::Status RunOneStream() {
    const rpc::Security security{options_.plaintext, options_.ca_file, options_.certificate_file, options_.key_file};
    TRUCE_ASSIGN_OR_RETURN(const auto credentials, rpc::ClientCredentials(security, options_.address));
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kLargestMessageBytes);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
    const auto channel = grpc::CreateCustomChannel(options_.address, credentials, arguments);
    const auto stub = v1::AgentService::NewStub(channel);
    if (!WaitForConnection(*channel)) return WhyNot(*stub);
    grpc::ClientContext context;
    v1::ConnectRequest first;
    {
      absl::MutexLock lock(&mutex_);
      if (stopped_) return absl::CancelledError("stopped");
      context_ = &context;
      broken_ = false;
      leaving_ = false;
      answers_.clear();
      offers_.clear();
      chunk_.reset();
      model_answers_.clear();
      model_request_.reset();
      SendAgain(absl::InfiniteFuture());
      *first.mutable_hello() = hello_;
    }
    const std::unique_ptr<Stream> stream = stub->Connect(&context);
    bool writable = stream->Write(first);
    std::thread reader([this, &stream] { ReadAll(*stream); });
    while (writable) {
      v1::ConnectRequest request;
      if (!NextToWrite(&request)) break;
      writable = stream->Write(request);
    }
    const bool asked = writable && SayGoodbye(*stream, context);
    // Stop() cancels. In every other case the stream is at its end already, and a cancel here would hide why: the
    // status that the controller sent.
    reader.join();
    const grpc::Status status = stream->Finish();
    absl::MutexLock lock(&mutex_);
    context_ = nullptr;
    const bool was_welcome = std::exchange(connected_, false);
    if (asked) return absl::OkStatus();
    // A controller that doesn't know our certificate's CA closes the connection after its side of the handshake.
    if (!was_welcome && rpc::HindranceOf(status) == rpc::Hindrance::kClosed) return Unreachable(options_, status);
    if (status.ok() || status.error_code() == grpc::StatusCode::CANCELLED) {
      return absl::UnavailableError("the controller closed the stream");
    }
    return rpc::FromGrpc(status);
  }

  // Ends the stream if Reconnect() asked for that, in order: what was written before arrives, which a cancel would
  // lose. False when nobody asked.
  bool SayGoodbye(Stream& stream, grpc::ClientContext& context) {
    {
      absl::MutexLock lock(&mutex_);
      if (!leaving_ || stopped_ || broken_) return false;
    }
    stream.WritesDone();
    absl::MutexLock lock(&mutex_);
    if (!mutex_.AwaitWithTimeout(absl::Condition(this, &StreamingLink::AtItsEnd), kGoodbyeLimit)) context.TryCancel();
    return true;
  }

  bool AtItsEnd() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopped_ || broken_; }

  bool WaitForConnection(grpc::Channel& channel) {
    const absl::Time deadline = absl::Now() + options_.connect_limit;
    while (absl::Now() < deadline) {
      if (channel.WaitForConnected(std::chrono::system_clock::now() + std::chrono::milliseconds(200))) return true;
      absl::MutexLock lock(&mutex_);
      if (stopped_) return false;
    }
    return false;
  }

  // Why there was no connection: only a call is told, and at once while the channel is failing.
  absl::Status WhyNot(v1::AgentService::Stub& stub) {
    {
      absl::MutexLock lock(&mutex_);
      if (stopped_) return absl::CancelledError("stopped");
    }
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kAskWhyLimit));
    return Unreachable(options_, stub.Connect(&context)->Finish());
  }

  // The next message up, answers before receipts before reports before models; false when the stream is to end.
  bool NextToWrite(v1::ConnectRequest* request) {
    absl::MutexLock lock(&mutex_);
    while (!mutex_.AwaitWithTimeout(absl::Condition(this, &StreamingLink::SomethingToWrite), options_.resend_after)) {
      SendAgain(absl::Now() - options_.resend_after);
    }
    if (stopped_ || broken_ || leaving_) return false;
    SendAgain(absl::Now() - options_.resend_after);
    if (!answers_.empty()) {
      *request->mutable_desired_set_result() = std::move(answers_.front());
      answers_.pop_front();
    } else if (!unsent_receipts_.empty()) {
      *request->mutable_receipts() = unsent_receipts_.front();
      unacknowledged_.push_back({std::move(unsent_receipts_.front()), absl::Now()});
      unsent_receipts_.pop_front();
    } else if (reports_.empty() && !model_answers_.empty()) {
      *request->mutable_model_answer() = std::move(model_answers_.front());
      model_answers_.pop_front();
    } else if (reports_.empty()) {
      *request->mutable_model_request() = *std::exchange(model_request_, std::nullopt);
    } else {
      v1::Report& report = *request->mutable_report();
      report = std::move(reports_.front());
      reports_.pop_front();
      report.set_sequence(++sequence_);
      report.set_reports_dropped(std::exchange(dropped_since_sent_, 0));
      ++status_.reports_sent;
    }
    return true;
  }

  void ReadAll(Stream& stream) {
    v1::ConnectResponse response;
    while (stream.Read(&response)) {
      absl::MutexLock lock(&mutex_);
      switch (response.message_case()) {
        case v1::ConnectResponse::kWelcome:
          connected_ = true;
          ++status_.connects;
          status_.last_error.clear();
          spdlog::info("connected to controller {} (version {})", options_.address,
                       response.welcome().controller_version());
          break;
        case v1::ConnectResponse::kDesiredSet:
          if (response.desired_set().actions_size() > kMostActions) {
            Refuse(response.desired_set());
          } else {
            desired_ = std::move(*response.mutable_desired_set());
          }
          break;
        case v1::ConnectResponse::kAcknowledgement:
          std::erase_if(unacknowledged_, [&](const SentBatch& sent) {
            return sent.batch.batch_id() == response.acknowledgement().batch_id();
          });
          break;
        case v1::ConnectResponse::kModelOffer:
          Keep(std::move(*response.mutable_model_offer()));
          break;
        case v1::ConnectResponse::kModelChunk:
          chunk_ = std::move(*response.mutable_model_chunk());
          break;
        case v1::ConnectResponse::MESSAGE_NOT_SET:
          ++status_.messages_refused;  // a newer controller may say things that this agent does not know
          break;
      }
    }
    absl::MutexLock lock(&mutex_);
    broken_ = true;
  }

  void Keep(v1::ModelOffer offer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::erase_if(offers_, [&](const v1::ModelOffer& older) { return older.kind() == offer.kind(); });
    if (offers_.size() < kMostOffers) {
      offers_.push_back(std::move(offer));
    } else {
      ++status_.messages_refused;
    }
  }

  void Refuse(const v1::DesiredSet& desired) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    ++status_.messages_refused;
    v1::DesiredSetResult result;
    result.set_version(desired.version());
    result.set_nonce(desired.nonce());
    result.set_reason(StrCat("a desired set of ", desired.actions_size(), " actions is larger than ", kMostActions));
    answers_.push_back(std::move(result));
  }

  const LinkOptions options_;
  mutable absl::Mutex mutex_;
  v1::Hello hello_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::Report> reports_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::ReceiptBatch> unsent_receipts_ ABSL_GUARDED_BY(mutex_);
  std::deque<SentBatch> unacknowledged_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::DesiredSetResult> answers_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::ModelOffer> offers_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::ModelChunk> chunk_ ABSL_GUARDED_BY(mutex_);
  std::deque<v1::ModelAnswer> model_answers_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::ModelRequest> model_request_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::DesiredSet> desired_ ABSL_GUARDED_BY(mutex_);
  LinkStatus status_ ABSL_GUARDED_BY(mutex_);
  bool connected_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  bool leaving_ ABSL_GUARDED_BY(mutex_) = false;  // Reconnect() was called on this stream
  absl::Time leaving_since_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t dropped_since_sent_ ABSL_GUARDED_BY(mutex_) = 0;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::mt19937 random_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<ControllerLink> StartControllerLink(const LinkOptions& options, v1::Hello hello) {
  return std::make_unique<StreamingLink>(options, std::move(hello));
}

}  // namespace truce::agent
