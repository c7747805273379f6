// Meetings of two applications of the simulated fleet as truce-lab collect would have them, on a machine of two CPUs:
// so that the world can be held against what was measured, and what is known of it be spoiled until it is as good as
// the shipped model was on programs that it had never seen.
#pragma once

#include <random>
#include <vector>

#include "absl/status/statusor.h"
#include "lab/fleet/knowledge.h"
#include "lab/fleet/truth.h"

namespace truce::lab::fleet {

struct Meeting {
  size_t victim = 0;
  size_t aggressor = 0;
  // Whether they share a CPU.
  bool apart = false;
  // Neither rests.
  bool busy = false;
  // What the victim truly suffers, what was measured of that, and the part of it that is CPU time.
  double slowdown = 0;
  double measured = 0;
  double lacking = 0;
  // Share of the machine that the aggressor uses, and what the victim's load counts for.
  double share = 0;
  double load = 0;
};

// Standard error of a label in the lab, as a share of the time together: by the median (0.038) and the interquartile
// range (0.073) of what repeats of a meeting differ by, it is 0.04 and 0.06 (truce-lab summary). The shipped model's
// marks were given by such labels, so marks here are, too.
inline constexpr double kLabelError = 0.05;

// What was measured in meetings of two: share slowed by 5 % or more, and mean slowdown; of all, and of those in which
// both are busy, each on a CPU of its own. TruthOptions::apart_mean is the last of these; the others follow.
struct MeetingFacts {
  double slowed = 0;
  double mean = 0;
  double apart_slowed = 0;
  double apart_mean = 0;
};
inline constexpr MeetingFacts kMeasuredMeetings = {0.68, 0.352, 0.45, 0.057};

// Loads and CPUs are drawn as often as lab/measured/xeon-2cpu.db has them, among the meetings of two.
std::vector<Meeting> DrawMeetings(const Truth& truth, size_t count, std::mt19937_64& random);

MeetingFacts FactsOf(const std::vector<Meeting>& meetings);

// By what `knowledge` says; it is told the loads and CPUs, as the model is.
double Predict(const Knowledge& knowledge, const Meeting& meeting);

struct ModelMarks {
  // Of "slowed by 5 % or more"; of the slowdown as a fraction; mean rank correlation of a victim's meetings.
  double auc = 0;
  double error = 0;
  double rank = 0;
};
// Of the shipped model (models/pretrained/interference.md), on programs that were held out.
inline constexpr ModelMarks kShippedMarks = {0.901, 0.156, 0.793};

ModelMarks MarksOf(const Knowledge& knowledge, const std::vector<Meeting>& meetings);

// Sets the size of the errors: the smallest with which no mark is better than `target` (to 0.002). FailedPrecondition
// when no error makes it so bad.
absl::StatusOr<ModelMarks> Calibrate(const std::vector<Meeting>& meetings, const ModelMarks& target,
                                     Knowledge* knowledge);

}  // namespace truce::lab::fleet
