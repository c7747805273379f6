// The agent's side of the stream to the controller. Connects, reconnects with backoff and jitter, and keeps a bounded
// spool while the controller is away. Two threads of its own (one writes, one reads); every public call is thread-safe
// and returns at once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "truce/v1/agent.pb.h"

namespace truce::agent {

struct LinkOptions {
  // "host:port".
  std::string address;
  bool plaintext = false;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  // First and longest wait before another try; each try doubles it, and a random half is taken off.
  absl::Duration first_backoff = absl::Milliseconds(500);
  absl::Duration longest_backoff = absl::Seconds(30);
  // A try to connect that takes longer has failed, and it is said why.
  absl::Duration connect_limit = absl::Seconds(10);
  // Reports and receipt batches kept while the controller is away; the oldest go first and are counted.
  int spooled_reports = 60;
  int spooled_receipts = 1000;
  // Receipts that are not acknowledged by then are sent again on the same stream: a controller that could not store
  // them does not acknowledge them.
  absl::Duration resend_after = absl::Seconds(30);
};

struct LinkStatus {
  bool connected = false;
  // Why not, for a person; empty when connected.
  std::string last_error;
  uint64_t connects = 0;
  uint64_t reports_sent = 0;
  uint64_t reports_dropped = 0;
  uint64_t receipts_dropped = 0;
  uint64_t messages_refused = 0;
};

class ControllerLink {
 public:
  virtual ~ControllerLink() = default;
  // What is said first on the next connection; keep it up to date with what is held.
  virtual void SetHello(v1::Hello hello) = 0;
  // Ends the stream, so that the next one begins with the hello as it is now. Does nothing when there is none.
  virtual void Reconnect() = 0;
  // Queues a report; its sequence and reports_dropped are filled in here.
  virtual void Offer(v1::Report report) = 0;
  // Queues receipts; kept and sent again until the controller acknowledges them.
  virtual void OfferReceipts(std::vector<v1::Receipt> receipts) = 0;
  // The newest desired set that came since the last call. Older ones are superseded: each is whole.
  virtual std::optional<v1::DesiredSet> TakeDesiredSet() = 0;
  virtual void Answer(v1::DesiredSetResult result) = 0;
  // The newest offer of each kind of model, and the newest part of one, that came on this stream since the last call.
  virtual std::vector<v1::ModelOffer> TakeModelOffers() = 0;
  virtual std::optional<v1::ModelChunk> TakeModelChunk() = 0;
  // Sent when nothing else waits. Only the newest request counts; what was not sent when the stream ends is dropped.
  virtual void Ask(v1::ModelRequest request) = 0;
  virtual void Answer(v1::ModelAnswer answer) = 0;
  virtual LinkStatus status() const = 0;
  // Waits up to `limit` for receipts to be acknowledged, then closes the stream and joins the threads. Last call.
  virtual void Stop(absl::Duration limit) = 0;
};

// Starts connecting at once. A wrong certificate path is not an error here: files may arrive later; it is tried again
// and shown in status().
std::unique_ptr<ControllerLink> StartControllerLink(const LinkOptions& options, v1::Hello hello);

}  // namespace truce::agent
