// Steps of the demand LSTM that several series have due, made together: what whoever owns many forecasters has between
// observing and predicting.
#pragma once

#include <vector>

#include "models/forecast/demand_model.h"

namespace truce {

// A step that is due. What it points to stays where it is until it is made.
struct DueDemandStep {
  const DemandModel* model = nullptr;
  const DemandInput* input = nullptr;
  DemandState* state = nullptr;
  // Becomes false when it was made.
  bool* due = nullptr;
};

// One thread's.
class DemandBatch {
 public:
  void Add(const DueDemandStep& step) { steps_.push_back(step); }
  // Makes all that were added, and forgets them. Steps of one model are best added one after another.
  void Run();

 private:
  std::vector<DueDemandStep> steps_;
  std::vector<const DemandInput*> inputs_;
  std::vector<DemandState*> states_;
};

}  // namespace truce
