// A group of processes, on one machine or several, through libtorch's own Gloo. The only part of models/ that uses the
// network. What goes over it is neither encrypted nor authenticated: gradients, counts and messages, and the
// rendezvous, which listens on all of the machine's addresses.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "models/training/gradient_exchange.h"

namespace truce {

struct GlooOptions {
  int rank = 0;
  int processes = 1;
  // Where process 0 listens and the others find it: a name or an address of its machine. Each process then uses the
  // interface by which it reaches this one: by a loopback address nothing leaves the machine.
  std::string host = "127.0.0.1";
  // 0, in process 0 alone: any that is free.
  uint16_t port = 0;
  // How long the others are waited for: to come, in each Sum, and, by process 0, to end once it has. One that ends is
  // noticed at once, one that hangs or whose machine is gone after this.
  absl::Duration patience = absl::Minutes(5);
  // In process 0, once it can be reached and before the others are waited for. Not OK: the group ends with it.
  std::function<absl::Status(uint16_t port)> listening;
  // While others are waited for to come, several times a second. Not OK: the group ends with it.
  std::function<absl::Status()> waiting;
  // In process 0, at most once: it left, and `others` are alive but have not left for longer than it takes to notice.
  // It stays for them while its patience lasts.
  std::function<void(const absl::Status& why_it_left, const std::vector<int>& others)> staying;
};

class Rendezvous;

class GlooExchange : public GradientExchange {
 public:
  // Waits until all are there. InvalidArgument when two have the same rank, or count differently how many they are, or
  // no machine is known as `host`; Unavailable when some did not come, with their ranks. libtorch's own lines about it
  // on stderr are turned off in the whole process.
  static absl::StatusOr<std::unique_ptr<GlooExchange>> Join(const GlooOptions& options);
  // As Leave(Cancelled), unless it has left.
  ~GlooExchange() override;

  int rank() const override { return rank_; }
  int processes() const override { return processes_; }
  absl::Status Sum(absl::Span<float> values) override;
  absl::Status Sum(absl::Span<double> values) override;

  // Tells the others how this process ended: the message of an error of its own is what they end with. To be called
  // once, after the last Sum. Process 0 stays until the others have left too, are gone, or try its patience.
  void Leave(const absl::Status& why);

 private:
  struct Group;
  GlooExchange(const GlooOptions& options, std::unique_ptr<Rendezvous> rendezvous, std::unique_ptr<Group> group);
  absl::Status Broken(const char* cause);
  template <typename Value>
  absl::Status SumOf(absl::Span<Value> values);

  const int rank_;
  const int processes_;
  std::unique_ptr<Rendezvous> rendezvous_;
  std::unique_ptr<Group> group_;
  // What broke it.
  absl::Status broken_;
};

}  // namespace truce
