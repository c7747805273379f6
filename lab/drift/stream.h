// Endless reports of a program, made from the seconds in which it was measured. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "lab/dataset.h"
#include "models/drift/behaviour.h"

namespace truce::lab {

// Seconds between two reports.
inline constexpr double kReportSeconds = 5;

struct DriftReport {
  Behaviour behaviour;
  Demands demands;
};

// Those of the life's samples in which it ran.
std::vector<DriftReport> ReportsOf(const DatasetLife& life);
// The same at `factor` times the load: everything that is counted by the second, and the CPU time, times that.
std::vector<DriftReport> ScaledReportsOf(const DatasetLife& life, double factor);

// Draws blocks of neighbouring reports (the moving block bootstrap: Kuensch 1989), so that phases of some length stay
// as they were. Neighbours were measured a second apart and are reported kReportSeconds apart: phases get longer, which
// makes telling them from drift harder.
class ReportStream {
 public:
  static constexpr size_t kBlock = 12;
  // `reports` are at least one, and outlive it.
  ReportStream(const std::vector<DriftReport>& reports, uint64_t seed) : reports_(reports), random_(seed) {}
  const DriftReport& Next();

 private:
  const std::vector<DriftReport>& reports_;
  std::mt19937_64 random_;
  size_t at_ = 0;
  size_t left_ = 0;
};

}  // namespace truce::lab
