// What the agents' model says of applications: hurts and suffers by resource, each the average over the others, which
// is less than the truth (biases of pairs average out, crowding is not in it), and wrong by as much as the shipped
// model is. Its errors are the same for all workloads of an application, as a real model's are: it always takes that
// application for something else.
#pragma once

#include <random>
#include <vector>

#include "lab/fleet/placer.h"
#include "lab/fleet/truth.h"

namespace truce::lab::fleet {

struct Knowledge {
  // By application, without errors.
  std::vector<Signature> averages;
  // Normal numbers that errors are made of, by application.
  std::vector<Signature> errors;
  // Standard deviation of the logarithm of each figure's error; 0: perfect knowledge.
  double error = 0;
  // Over applications, without errors: hurts of the average one.
  Effects mean_hurts{};

  // What is said of the application.
  Signature Said(size_t application) const;
};

Knowledge Learn(const Truth& truth, std::mt19937_64& random);

}  // namespace truce::lab::fleet
