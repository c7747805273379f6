// Where the groups of a problem are, and what that forbids: two of an exclusive group on a host, a group in too few
// domains, a workload far from what it needs. Counted along as workloads move. Not thread-safe; made by Packing.
#pragma once

#include <cstdint>
#include <vector>

#include "controller/plan/pack/problem.h"

namespace truce::controller::pack {

class GroupPlaces {
 public:
  // `problem` is sound, and outlives this. Nobody is anywhere yet.
  explicit GroupPlaces(const Problem& problem);

  // Counts a workload that goes from one host to another; `from` -1: it was nowhere.
  void Move(int32_t workload, int32_t from, int32_t to);

  bool IsExcluded(int32_t group, int32_t host) const {
    const int32_t row = group == kNoGroup ? -1 : exclusive_row_[static_cast<size_t>(group)];
    if (row < 0) return false;
    const auto at = static_cast<size_t>(host);
    return (on_host_[static_cast<size_t>(row) * words_ + at / 64] >> (at % 64) & 1) != 0;
  }
  // Another move that is made first: of whom, and between which neighborhoods.
  struct First {
    int32_t group = kNoGroup - 1;
    int32_t from = 0;
    int32_t to = 0;
  };
  First FirstOf(int32_t workload, int32_t from, int32_t to) const;
  // Whether its group stays spread, what it needs is near, and who needs it is not left; once `first` has moved.
  bool MayMove(int32_t workload, int32_t from, int32_t to, const First& first) const;
  bool MayMove(int32_t workload, int32_t from, int32_t to) const { return MayMove(workload, from, to, First()); }

  // Whether the group is spread, near what it needs, and near who needs it.
  bool Holds(int32_t group) const;

 private:
  // Whether it has somebody wherever the other has.
  bool IsNearAll(int32_t group, int32_t other) const;

  // Row of a group in a table that not all groups are in; -1: it is not.
  using Rows = std::vector<int32_t>;

  const Problem* problem_;
  // Exclusive groups of more than one: which hosts they are on, a bit each.
  Rows exclusive_row_;
  size_t words_ = 0;
  std::vector<uint64_t> on_host_;
  // Groups that must be spread: workloads by domain, and domains with any.
  Rows spread_row_;
  size_t domains_ = 0;
  std::vector<int32_t> in_domain_;
  std::vector<int32_t> domains_used_;
  // Groups that need others or are needed: workloads by neighborhood.
  Rows near_row_;
  size_t neighborhoods_ = 0;
  std::vector<int32_t> near_;
  std::vector<std::vector<int32_t>> needed_by_;
};

}  // namespace truce::controller::pack
