#include "controller/plan/place/known_effects.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "src/base/text.h"

namespace truce::controller {
namespace {

// Applications that are remembered; as many as signatures are kept.
constexpr size_t kMostApplications = 10'000;
// What uses less than that hurts by what it is, not by how much of it there is.
constexpr double kLeastCores = 0.25;

double MiddleOf(std::vector<double>* values) {
  const auto middle = values->begin() + static_cast<std::ptrdiff_t>(values->size() / 2);
  std::nth_element(values->begin(), middle, values->end());
  return *middle;
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
  if (said_.size() >= kMostApplications && !said_.contains(application)) {
    effects_.known.erase(said_.begin()->first);
    said_.erase(said_.begin());
  }
  Said& said = said_[application];
  const double cores = said.effects.cores;
  said = {effects, UsualEffects(signature)};
  said.effects.cores = cores;
  ++age_;
  effects_.known[application] = Draw(said.effects);
}

ApplicationEffects KnownEffects::Middle() const {
  std::vector<const Said*> sized;
  std::vector<const Said*> all;
  for (const auto& [_, one] : said_) {
    all.push_back(&one);
    if (one.effects.cores > 0) sized.push_back(&one);
  }
  ApplicationEffects middle;
  if (all.empty()) return middle;
  const bool by_core = sized.size() >= kFewest;
  if (by_core) middle.cores = 1;
  std::vector<double> hurts;
  std::vector<double> suffers;
  for (size_t k = 0; k < kResourceEffects; ++k) {
    hurts.clear();
    suffers.clear();
    for (const Said* one : by_core ? sized : all) {
      const ApplicationEffects& effects = by_core ? one->effects : one->usual;
      hurts.push_back(effects.hurts[k] / (by_core ? std::max(kLeastCores, effects.cores) : 1));
      suffers.push_back(effects.suffers[k]);
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

void KnownEffects::Redraw(const CoresOf& cores_of) {
  age_ = 0;
  drawn_from_ = said_.size();
  for (auto& [application, one] : said_) {
    // Of one that runs nowhere just now, what it was.
    if (const double cores = cores_of(application); cores > 0) one.effects.cores = cores;
  }
  effects_.others = Middle();
  for (const auto& [application, one] : said_) effects_.known[application] = Draw(one.effects);
}

}  // namespace truce::controller
