// Who meets whom next, where and how hard (collect.h). Deterministic for a seed and a history.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "lab/running_program.h"

namespace truce::lab {

// One program in one setting.
struct Setting {
  size_t program = 0;  // position in the list that the chain was made with
  Load load = Load::kHigh;
  std::vector<int> cpus;
};

// A newcomer meets who ran before it; now and then a guest joins the two.
struct Meeting {
  Setting newcomer;
  std::optional<Setting> guest;
};

// A chain from its first program to its last.
struct Stretch {
  Setting first;
  std::vector<Meeting> meetings;
};

// The sets of CPUs that programs run on: one CPU, the lower half, the upper half, all. Two programs drawn from them
// share all, some or none of their CPUs. `cpus` is sorted and not empty; sets that are equal are named once.
std::vector<std::vector<int>> CpuSets(const std::vector<int>& cpus);

class Chain {
 public:
  // `visits` as of Dataset::PairVisits; `high_load_ratio` is the share of programs that run under high load.
  Chain(std::vector<std::string> programs, std::vector<int> cpus, std::map<std::string, int> visits,
        double high_load_ratio, uint64_t seed);
  // The first of a chain.
  Setting First();
  // Who meets `current`: the program that met it least, among equals the one that met anybody least. Counts the
  // meeting.
  Setting Next(const Setting& current);
  // A guest for a meeting of these two; neither of them.
  Setting Guest(const Setting& first, const Setting& second);
  // Up to `length` meetings in a row, `triple_ratio` of them with a guest. usable() is at least 2.
  Stretch Draw(size_t length, double triple_ratio);
  // Never draws that program again.
  void Exclude(size_t program) { excluded_.insert(program); }
  // Programs that may be drawn. First needs one, Next two, Guest three.
  size_t usable() const { return programs_.size() - excluded_.size(); }
  // True for a share of `ratio` of the calls.
  bool Decide(double ratio) { return std::uniform_real_distribution<double>(0, 1)(random_) < ratio; }

 private:
  Setting SettingOf(size_t program);
  // One of those that may be drawn and are none of `others`.
  size_t AnyBut(const std::set<size_t>& others);
  int Visits(size_t a, size_t b) const;

  const std::vector<std::string> programs_;
  const std::vector<std::vector<int>> cpu_sets_;
  std::map<std::string, int> visits_;
  const double high_load_ratio_;
  std::set<size_t> excluded_;
  std::mt19937_64 random_;
};

}  // namespace truce::lab
