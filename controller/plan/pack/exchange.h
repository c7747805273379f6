// Puts a workload on a host that has no room for it, by sending some of those that are there elsewhere: one large
// against several small ones. Where hosts are nearly full, shifts and swaps alone don't get far.
//
// After the "big process rearrangement" of Gavranovic, Buljubasic and Demirovic, "Variable neighborhood search for
// Google machine reassignment problem", Electronic Notes in Discrete Mathematics 39, 2012; here as a move of the
// annealing.
#pragma once

#include <cstdint>
#include <vector>

#include "controller/plan/pack/packing.h"
#include "controller/plan/pack/random.h"

namespace truce::controller::pack {

class Exchange {
 public:
  // Both outlive this.
  Exchange(Packing& packing, Random& random);

  // Makes the change if one is found that costs at most `most`, and says whether. The workload is not on the host.
  bool Try(int32_t workload, int32_t host, int64_t most);

 private:
  struct Step {
    int32_t workload = 0;
    int32_t to = 0;
  };
  struct Done {
    int32_t workload = 0;
    int32_t from = 0;
    int64_t price = 0;
  };

  bool MayEverFit(int32_t workload, int32_t host) const;
  bool Plan(int32_t workload, int32_t host);
  // Of those on the host, somebody whose going helps, and where to; false: nobody.
  bool SendOneAway(int32_t host, int32_t from, size_t* candidates);
  int32_t PlaceFor(int32_t workload, int32_t host, int32_t from);
  // Without pairs, hosts in use and groups.
  int64_t RoughPrice(int32_t workload, int32_t host, int32_t from) const;
  bool Make(int32_t workload, int32_t host, int64_t most);

  Packing& packing_;
  Random& random_;
  // What is left of the host and of where the workload was when the plan has been carried out, as in Rows.
  std::vector<int64_t> left_there_;
  std::vector<int64_t> left_here_;
  std::vector<int32_t> candidates_;
  std::vector<Step> plan_;
  std::vector<Done> done_;
};

}  // namespace truce::controller::pack
