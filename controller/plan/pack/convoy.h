// Takes two workloads of groups one of which needs the other to one neighborhood, together: neither of them could go
// first.
#pragma once

#include <cstdint>
#include <vector>

#include "controller/plan/pack/packing.h"
#include "controller/plan/pack/random.h"

namespace truce::controller::pack {

class Convoy {
 public:
  // Both outlive this.
  Convoy(Packing& packing, Random& random);

  // Whether any group needs another.
  bool IsOfUse() const { return is_of_use_; }
  // The workload goes to the host, and one that it needs or that needs it into the same neighborhood, if such a change
  // is found that costs at most `most`; says whether. The workload is not on the host.
  bool Try(int32_t workload, int32_t host, int64_t most);

 private:
  int32_t AnyOf(const std::vector<int32_t>& list) {
    return list.empty() ? -1 : list[random_.Below(static_cast<uint32_t>(list.size()))];
  }

  Packing& packing_;
  Random& random_;
  bool is_of_use_ = false;
  // By group: those that it needs or that need it, and its workloads. By neighborhood: its hosts.
  std::vector<std::vector<int32_t>> linked_;
  std::vector<std::vector<int32_t>> members_;
  std::vector<std::vector<int32_t>> hosts_;
};

}  // namespace truce::controller::pack
