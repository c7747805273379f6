// Who knows first: for each second after a neighbour's burst began beside a victim that was alone, what the model and
// what evidence say of what the victim will suffer. The model is asked twice: when it knows the neighbour's bursts from
// another time (a batch job that comes every night), and when it is a newcomer, of which nothing was seen before. Both
// sides know the victim from its few seconds alone only. Meetings of two.
#pragma once

#include <string>
#include <vector>

#include "lab/dataset.h"
#include "lab/learn/folds.h"

namespace truce::lab {

// Seconds after the burst began at which both are asked: 0 is before the victim felt anything.
inline constexpr int kForesightSeconds = 6;
// A score from which on a controller acts (shipped policy).
inline constexpr double kActingProbability = 0.6;

struct Foresight {
  struct Side {
    // AUC of "will be slowed by 5 % or more", by second.
    std::vector<double> auc;
    // Of the bursts that slow: median seconds until the score says so, those that it never does within the time
    // counting as kForesightSeconds + 1; and the share that it does.
    double median_seconds = 0;
    double found_ratio = 0;
    // Share of the bursts that slow nobody and are blamed all the same.
    double false_alarm_ratio = 0;
  };
  Side known;
  // 0 at second 0, when there is nothing to say anything of.
  Side newcomer;
  Side evidence;
  size_t bursts = 0;
};

// What a model that had not seen all of the programs said at each second (Judged of examples of `content`), of
// neighbours that it knew and of newcomers (View::newcomers).
Foresight CompareForesight(const DatasetContent& content, const std::vector<Judged>& known,
                           const std::vector<Judged>& newcomers);

}  // namespace truce::lab
