#include "controller/plan/pack/exchange.h"

#include <algorithm>

namespace truce::controller::pack {
namespace {

// That are sent away for one.
constexpr size_t kMost = 6;
// Hosts that are tried for one that fits neither where the first comes from nor at home.
constexpr int kGuesses = 2;

}  // namespace

Exchange::Exchange(Packing& packing, Random& random)
    : packing_(packing), random_(random), left_there_(packing.rows().width), left_here_(packing.rows().width) {}

bool Exchange::Try(int32_t workload, int32_t host, int64_t most) {
  if (packing_.IsPinned(workload) || !MayEverFit(workload, host) || !packing_.GroupLets(workload, host)) return false;
  const int32_t from = packing_.at(workload);
  if (!Plan(workload, host)) return false;
  if (packing_.OnlyLoadCosts()) {
    // Of each step, the group's share may be as much less.
    const int64_t groups = packing_.problem().group_move_weight * static_cast<int64_t>(plan_.size() + 1);
    if (RoughPrice(workload, host, from) - groups > most) return false;
  }
  return Make(workload, host, most);
}

// Even if all others left.
bool Exchange::MayEverFit(int32_t workload, int32_t host) const {
  const Problem& problem = packing_.problem();
  const size_t resources = problem.resources();
  const int64_t* demand = &problem.demand[static_cast<size_t>(workload) * resources];
  const int64_t* capacity = &problem.capacity[static_cast<size_t>(host) * resources];
  bool fits = true;
  for (size_t r = 0; r < resources; ++r) fits &= demand[r] <= capacity[r];
  return fits;
}

bool Exchange::Plan(int32_t workload, int32_t host) {
  const Rows& rows = packing_.rows();
  const int32_t from = packing_.at(workload);
  const int64_t* row = rows.Workload(workload);
  std::copy_n(rows.Host(host), rows.width, left_there_.data());
  std::copy_n(rows.Host(from), rows.width, left_here_.data());
  Take(left_there_.data(), row, packing_.BeginOf(workload, host), rows.width);
  GiveBack(left_here_.data(), row, packing_.BeginOf(workload, from), rows.width);
  candidates_ = packing_.on(host);
  size_t candidates = candidates_.size();
  plan_.clear();
  while (AnyShort(left_there_.data(), 0, rows.capacity)) {
    if (plan_.size() == kMost || !SendOneAway(host, from, &candidates)) return false;
  }
  return true;
}

bool Exchange::SendOneAway(int32_t host, int32_t from, size_t* candidates) {
  const Rows& rows = packing_.rows();
  while (*candidates > 0) {
    const uint32_t drawn = random_.Below(static_cast<uint32_t>(*candidates));
    const int32_t one = candidates_[drawn];
    candidates_[drawn] = candidates_[--*candidates];
    const int64_t* row = rows.Workload(one);
    const size_t begin = packing_.BeginOf(one, host);
    int64_t helps = 0;
    for (size_t i = begin; i < rows.capacity; ++i) helps |= left_there_[i] & -row[i];
    if (helps >= 0 || packing_.IsPinned(one)) continue;
    const int32_t to = PlaceFor(one, host, from);
    if (to < 0) continue;
    if (to == from) Take(left_here_.data(), row, packing_.BeginOf(one, from), rows.width);
    GiveBack(left_there_.data(), row, begin, rows.width);
    plan_.push_back({one, to});
    return true;
  }
  return false;
}

// -1: nowhere. Two that go to the same third host may not both fit, or be of one group; then the change isn't made.
int32_t Exchange::PlaceFor(int32_t workload, int32_t host, int32_t from) {
  const Rows& rows = packing_.rows();
  const int64_t* row = rows.Workload(workload);
  const auto fits = [&](const int64_t* left, int32_t there) {
    return !AnyShortWith(left, row, packing_.BeginOf(workload, there), rows.capacity) &&
           packing_.GroupLets(workload, there);
  };
  if (fits(left_here_.data(), from)) return from;
  const int32_t home = packing_.home(workload);
  if (home != host && home != from && fits(rows.Host(home), home)) return home;
  for (int i = 0; i < kGuesses; ++i) {
    const auto guess = static_cast<int32_t>(random_.Below(static_cast<uint32_t>(packing_.problem().hosts())));
    if (guess != host && guess != from && fits(rows.Host(guess), guess)) return guess;
  }
  return -1;
}

int64_t Exchange::RoughPrice(int32_t workload, int32_t host, int32_t from) const {
  const Rows& rows = packing_.rows();
  const auto moving = [&](int32_t one, int32_t to) {
    return packing_.moves().PriceOfBeing(one, to) - packing_.moves().PriceOfBeing(one, packing_.at(one));
  };
  const auto cost = [&](const int64_t* left) { return SumOfShort(left, rows.capacity, rows.width); };
  int64_t price = moving(workload, host) + cost(left_there_.data()) - cost(rows.Host(host)) + cost(left_here_.data()) -
                  cost(rows.Host(from));
  for (const Step& step : plan_) {
    price += moving(step.workload, step.to);
    if (step.to == from) continue;
    const int64_t* left = rows.Host(step.to);
    price += SumOfShortWith(left, rows.Workload(step.workload), rows.capacity, rows.width) - cost(left);
  }
  return price;
}

// One after the other, with every rule; if one of them is forbidden or all are too dear, everything is as before.
bool Exchange::Make(int32_t workload, int32_t host, int64_t most) {
  done_.clear();
  int64_t total = 0;
  const auto shift = [&](int32_t one, int32_t to, int64_t price) {
    if (price == Packing::kForbidden) return false;
    done_.push_back({one, packing_.at(one), price});
    packing_.Shift(one, to, price);
    total += price;
    return true;
  };
  bool made = shift(workload, host, packing_.PriceIfThereWereRoom(workload, host));
  for (size_t i = 0; made && i < plan_.size(); ++i) {
    made = shift(plan_[i].workload, plan_[i].to, packing_.PriceOfShift(plan_[i].workload, plan_[i].to));
  }
  if (made && total <= most) return true;
  for (size_t i = done_.size(); i-- > 0;) packing_.Shift(done_[i].workload, done_[i].from, -done_[i].price);
  return false;
}

}  // namespace truce::controller::pack
