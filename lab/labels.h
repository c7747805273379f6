// Ground truth from a data set: how much each program was slowed by the others, against its own time alone in the same
// meeting.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lab/dataset.h"

namespace truce::lab {

// One member of one meeting.
struct Label {
  int64_t meeting = 0;
  int64_t victim = 0;
  std::vector<int64_t> aggressors;
  // Positions in DatasetContent::segments: where the victim ran alone, and where all ran together.
  std::vector<size_t> alone;
  std::vector<size_t> together;
  // seconds per operation together / alone - 1. Around zero, and a little below it by noise, when nobody is hurt.
  double slowdown = 0;
  // Its standard error, from what differs between the windows of each kind.
  double error = 0;
  // In a fifth or more of the time together it finished nothing: it is slower than can be told, and `slowdown` is less
  // than the truth.
  bool unfinished = false;
  // Too little of the meeting was quiet, or it is unfinished; not to be learned from.
  bool disturbed = false;
};

struct LabelOptions {
  // Quiet seconds that it takes, alone and together.
  double least_seconds = 3;
};

// log(1 + slowdown), bounded below: a program that got much faster in company did so by noise.
double LogSlowdown(const Label& label);

// A label for each member of each meeting that did something alone.
std::vector<Label> MakeLabels(const DatasetContent& content, const LabelOptions& options = {});

// Labels of the same meeting of two (programs, loads and CPUs) at different times: each with the next.
struct Repeat {
  const Label* first;
  const Label* second;
  // The first meeting of all those that are alike.
  int64_t group;
};
std::vector<Repeat> Repeats(const DatasetContent& content, const std::vector<Label>& labels);

// Which meetings measure the same thing, by their numbers: repeats, and a meeting of two with the one that a guest
// joined. Each gets the number of the first of them.
std::map<int64_t, int64_t> MeetingGroups(const DatasetContent& content, const std::vector<Label>& labels);

// Differences between the slowdowns of Repeats: what a perfect prediction would be off by, times the square root of
// two.
std::vector<double> RepeatDifferences(const DatasetContent& content, const std::vector<Label>& labels);

}  // namespace truce::lab
