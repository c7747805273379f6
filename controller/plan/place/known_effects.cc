#include "controller/plan/place/known_effects.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "src/base/text.h"

namespace truce::controller {
namespace {

// Applications that are remembered; as many as signatures are kept.
constexpr size_t kMostApplications = 10'000;
// The middle is looked for anew after as many signatures as a part of the applications, and at least so often.
constexpr size_t kRedrawRatio = 20;
constexpr size_t kRedrawEvery = 100;

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

void KnownEffects::Learn(const std::string& application, const v1::Signature& signature, double cores) {
  ApplicationEffects said = EffectsOf(signature);
  if (!said.known) return;
  if (all_.size() >= kMostApplications && !all_.contains(application)) all_.erase(all_.begin());
  Known& known = all_[application];
  said.cores = cores > 0 ? cores : known.said.cores;
  known.said = said;
  known.usual = UsualEffects(signature);
  if (++age_ > std::min(kRedrawEvery, all_.size() / kRedrawRatio)) {
    Redraw();
  } else {
    known.drawn = Draw(said);
  }
}

const ApplicationEffects& KnownEffects::Of(std::string_view application) const {
  const auto it = all_.find(AbslView(application));
  return it == all_.end() ? middle_ : it->second.drawn;
}

ApplicationEffects KnownEffects::Middle() const {
  ApplicationEffects middle;
  const auto sized = static_cast<size_t>(
      std::count_if(all_.begin(), all_.end(), [](const auto& one) { return one.second.said.cores > 0; }));
  std::vector<double> values;
  const auto over = [&](bool only_sized, const std::function<double(const Known&)>& value) {
    values.clear();
    for (const auto& [_, one] : all_) {
      if (!only_sized || one.said.cores > 0) values.push_back(value(one));
    }
    return MiddleOf(&values);
  };
  if (sized >= kFewest) middle.cores = 1;
  for (size_t k = 0; k < kResourceEffects; ++k) {
    if (sized >= kFewest) {
      middle.hurts[k] = over(true, [k](const Known& one) { return one.said.hurts[k] / one.said.cores; });
      middle.suffers[k] = over(true, [k](const Known& one) { return one.said.suffers[k]; });
    } else {
      middle.hurts[k] = over(false, [k](const Known& one) { return one.usual.hurts[k]; });
      middle.suffers[k] = over(false, [k](const Known& one) { return one.usual.suffers[k]; });
    }
  }
  return middle;
}

ApplicationEffects KnownEffects::Draw(const ApplicationEffects& said) const {
  ApplicationEffects drawn = said;
  if (!(middle_.cores > 0) || !(said.cores > 0)) return drawn;
  const pack::PlaceEffects hurts = HurtsOf(middle_, said.cores);
  for (size_t k = 0; k < kResourceEffects; ++k) {
    drawn.hurts[k] = Drawn(said.hurts[k], hurts[k]);
    drawn.suffers[k] = Drawn(said.suffers[k], middle_.suffers[k]);
  }
  return drawn;
}

void KnownEffects::Redraw() {
  age_ = 0;
  middle_ = Middle();
  for (auto& [_, one] : all_) one.drawn = Draw(one.said);
}

}  // namespace truce::controller
