#include "models/forecast/demand_batch.h"

namespace truce {
namespace {

// As many as fit the first cache levels with all that is between their layers.
constexpr size_t kMostTogether = 64;

}  // namespace

void DemandBatch::Run() {
  for (size_t begin = 0; begin < steps_.size(); begin += inputs_.size()) {
    inputs_.clear();
    states_.clear();
    const DemandModel* const model = steps_[begin].model;
    for (size_t i = begin; i < steps_.size() && steps_[i].model == model && inputs_.size() < kMostTogether; ++i) {
      inputs_.push_back(steps_[i].input);
      states_.push_back(steps_[i].state);
      *steps_[i].due = false;
    }
    model->Step(inputs_, states_);
  }
  steps_.clear();
}

}  // namespace truce
