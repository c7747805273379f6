#include "lab/protect/drop_and_regain.h"

#include <algorithm>

#include "agent/profile/signals.h"

namespace truce::lab {
namespace {

constexpr double kSigmas = 3;
// Share of the host that an aggressor drops to, and that it regains after so many calm seconds.
constexpr double kMinimumRatio = 0.1;
constexpr double kRegainRatio = 0.05;
constexpr int kCalmSeconds = 3;

}  // namespace

void DropAndRegain::LearnAlone(const Sample& victim) {
  if (const auto wait = agent::SignalValue(agent::Signal::kCpuWait, victim)) wait_.Learn(*wait);
}

std::optional<double> DropAndRegain::Regulate(const Sample& victim) {
  dropped_ = false;
  const auto wait = agent::SignalValue(agent::Signal::kCpuWait, victim);
  const bool suffers = wait && wait_.count() > 1 && *wait > wait_.Threshold(kSigmas);
  if (suffers) {
    calm_seconds_ = 0;
    dropped_ = quota_ != kMinimumRatio * cores_;
    quota_ = kMinimumRatio * cores_;
  } else if (quota_ && ++calm_seconds_ % kCalmSeconds == 0) {
    *quota_ += kRegainRatio * cores_;
    if (*quota_ >= cores_) quota_.reset();
  }
  return quota_;
}

}  // namespace truce::lab
