// The last minutes of one workload, a ring of samples. Owned by the profiler, read by the scorer.
#pragma once

#include <cstddef>
#include <vector>

#include "src/base/reading.h"

namespace truce::agent {

// Keeps the newest `capacity` samples. Grows as it fills, so a short-lived workload costs little.
class Window {
 public:
  explicit Window(size_t capacity) : capacity_(capacity) {}
  void Add(const Sample& sample) {
    if (samples_.size() < capacity_) {
      samples_.push_back(sample);
    } else {
      samples_[next_] = sample;
      next_ = (next_ + 1) % capacity_;
    }
  }
  size_t size() const { return samples_.size(); }
  // The sample `age` ticks ago; 0 is the newest. age < size().
  const Sample& back(size_t age) const { return samples_[(next_ + samples_.size() - 1 - age) % samples_.size()]; }

 private:
  size_t capacity_;
  size_t next_ = 0;
  std::vector<Sample> samples_;
};

}  // namespace truce::agent
