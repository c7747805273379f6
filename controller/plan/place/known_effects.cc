#include "controller/plan/place/known_effects.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "src/base/text.h"

namespace truce::controller {
namespace {

// Applications that are remembered; as many as signatures are kept.
constexpr size_t kMostApplications = 10'000;
// What uses less than that hurts by what it is, not by how much of it there is.
constexpr double kLeastCores = 0.25;

// A value, and what it weighs.
using Weighed = std::pair<double, double>;

double MiddleOf(std::vector<Weighed>* values) {
  std::sort(values->begin(), values->end());
  double all = 0;
  for (const auto& [_, weight] : *values) all += weight;
  double below = 0;
  for (const auto& [value, weight] : *values) {
    below += weight;
    if (below >= all / 2) return value;
  }
  return values->back().first;
}

double Drawn(double said, double middle) {
  if (!(said > 0) || !(middle > 0)) return said;
  return middle * std::pow(said / middle, KnownEffects::kTrust);
}

}  // namespace

const ApplicationEffects& EffectsByApplication::Of(std::string_view application) const {
  const auto it = known.find(AbslView(application));
  return it == known.end() ? others : it->second;
}

void KnownEffects::Learn(const std::string& application, const v1::Signature& signature) {
  const ApplicationEffects effects = EffectsOf(signature);
  if (!effects.known) return;
  // Whatever new names are claimed, who is known stays; Redraw makes room.
  if (said_.size() >= kMostApplications && !said_.contains(application)) return;
  Said& said = said_[application];
  const double cores = said.effects.cores;
  said = {effects, UsualEffects(signature), said.weight};
  said.effects.cores = cores;
  ++age_;
  effects_.known[application] = Draw(said.effects);
}

ApplicationEffects KnownEffects::Middle() const {
  std::vector<const Said*> sized;
  std::vector<const Said*> all;
  for (const auto& [_, one] : said_) {
    all.push_back(&one);
    if (one.effects.cores > 0 && one.weight > 0) sized.push_back(&one);
  }
  ApplicationEffects middle;
  if (all.empty()) return middle;
  const bool by_core = sized.size() >= kFewest;
  if (by_core) middle.cores = 1;
  std::vector<Weighed> hurts;
  std::vector<Weighed> suffers;
  for (size_t k = 0; k < kResourceEffects; ++k) {
    hurts.clear();
    suffers.clear();
    for (const Said* one : by_core ? sized : all) {
      const ApplicationEffects& effects = by_core ? one->effects : one->usual;
      const double weight = by_core ? one->weight : 1;
      hurts.emplace_back(effects.hurts[k] / (by_core ? std::max(kLeastCores, effects.cores) : 1), weight);
      suffers.emplace_back(effects.suffers[k], weight);
    }
    middle.hurts[k] = MiddleOf(&hurts);
    middle.suffers[k] = MiddleOf(&suffers);
  }
  return middle;
}

ApplicationEffects KnownEffects::Draw(const ApplicationEffects& said) const {
  ApplicationEffects drawn = said;
  const ApplicationEffects& middle = effects_.others;
  if (!(middle.cores > 0) || !(said.cores > 0)) return drawn;
  const double cores = std::max(kLeastCores, said.cores);
  for (size_t k = 0; k < kResourceEffects; ++k) {
    drawn.hurts[k] = Drawn(said.hurts[k], cores * middle.hurts[k]);
    drawn.suffers[k] = Drawn(said.suffers[k], middle.suffers[k]);
  }
  return drawn;
}

void KnownEffects::Redraw(const SizeOf& size_of) {
  age_ = 0;
  for (auto& [application, one] : said_) {
    const Size size = size_of(application);
    one.weight = size.weight;
    // Of one that runs nowhere just now, what it was.
    if (size.cores > 0) one.effects.cores = size.cores;
  }
  if (said_.size() >= kMostApplications) {
    absl::erase_if(said_,
                   [this](const auto& one) { return one.second.weight <= 0 && effects_.known.erase(one.first) > 0; });
  }
  drawn_from_ = said_.size();
  effects_.others = Middle();
  for (const auto& [application, one] : said_) effects_.known[application] = Draw(one.effects);
}

}  // namespace truce::controller
