// Rollouts in words. Pure.
#pragma once

#include <string>
#include <string_view>

#include "controller/learn/loss_series.h"
#include "truce/v1/rollout.pb.h"

namespace truce::controller {

// "3f2a9c01b7de": enough of a SHA-256 for people to tell models apart.
std::string ShortSha(std::string_view sha256);
// "demand model 3f2a9c01b7de (2026-11-22.1)", or "the demand model that each agent came with".
std::string SayModel(const v1::RolloutModel& model);
// "its loss is 0.912 of the last value's, against 0.955 without it: 0.043 lower (between 0.061 and 0.025 lower)".
std::string SayDifference(const LossDifference& difference);

}  // namespace truce::controller
