// The changes that a search tries: which workload, where to, and in which proportion.
//
// Where workloads that move are counted on both hosts, each of them that is elsewhere takes what others could use, and
// there are far more places elsewhere than at home: chance alone would fill all hosts with workloads that gain nothing
// by being there. So home is proposed as often as all other hosts together.
#pragma once

#include <cstdint>
#include <vector>

#include "controller/plan/pack/convoy.h"
#include "controller/plan/pack/exchange.h"
#include "controller/plan/pack/packing.h"
#include "controller/plan/pack/random.h"

namespace truce::controller::pack {

class Moves {
 public:
  // Both outlive this. There are hosts to move to and workloads that may.
  Moves(Packing& packing, Random& random, std::vector<int32_t> free);

  // Tries one change; makes it if it costs nothing, or if chance has it at this temperature (Metropolis).
  void Step(double temperature);
  // What shifts cost from here that make it dearer, on average; 1 if there are none.
  double MeanUphill();

 private:
  // Parts of 1; the rest are shifts to any host.
  struct Shares {
    double exchange = 0;
    double chain_home = 0;
    double chain = 0;
    double home = 0;
    double swap = 0;
    double convoy = 0;
  };
  static Shares SharesOf(const Problem& problem, bool has_needs);

  int32_t AnyWorkload() { return free_[random_.Below(static_cast<uint32_t>(free_.size()))]; }
  int32_t AnyHost() { return static_cast<int32_t>(random_.Below(hosts_)); }
  int32_t LargeWorkload();
  // The most that a change may cost.
  int64_t Most(double temperature);
  bool Accepts(int64_t price, double temperature);
  void TryShift(int32_t workload, int32_t host, double temperature);
  void TryChain(int32_t one, int32_t other, int32_t host, double temperature);

  Packing& packing_;
  Random& random_;
  Exchange exchange_;
  Convoy convoy_;
  std::vector<int32_t> free_;
  uint32_t hosts_;
  Shares shares_;
  // [workloads]: the largest part of all that there is of a resource.
  std::vector<double> size_;
};

}  // namespace truce::controller::pack
