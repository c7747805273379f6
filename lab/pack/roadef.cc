#include "lab/pack/roadef.h"

#include <charconv>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/atomic_file.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::lab {
namespace {

using controller::pack::Assignment;
using controller::pack::Balance;
using controller::pack::Group;
using controller::pack::Problem;

// No file has more of anything; a mistyped count must not take all memory.
constexpr int64_t kMost = 10'000'000;

// Takes one number after the other; the first thing that is wrong stays.
class Numbers {
 public:
  Numbers(std::string file, std::string text) : file_(std::move(file)), text_(std::move(text)) {}

  int64_t Next(std::string_view what, int64_t least = 0, int64_t most = INT64_MAX) {
    if (!status_.ok()) return least;
    while (at_ < text_.size() && IsSpace(text_[at_])) line_ += text_[at_++] == '\n' ? 1 : 0;
    if (at_ == text_.size()) return Fail(least, what, "the file ends");
    size_t end = at_;
    while (end < text_.size() && !IsSpace(text_[end])) ++end;
    const std::string_view word = std::string_view(text_).substr(at_, std::min<size_t>(end - at_, 40));
    int64_t number = 0;
    const auto [rest, error] = std::from_chars(text_.data() + at_, text_.data() + end, number);
    if (error != std::errc() || rest != text_.data() + end) {
      return Fail(least, what, StrCat("\"", word, "\" is no whole number"));
    }
    if (number < least || number > most) return Fail(least, what, StrCat(word, " is not from ", least, " to ", most));
    at_ = end;
    return number;
  }
  int32_t NextIndex(std::string_view what, int64_t end) {
    return static_cast<int32_t>(Next(what, 0, std::max<int64_t>(end - 1, 0)));
  }
  void End() {
    while (at_ < text_.size() && IsSpace(text_[at_])) line_ += text_[at_++] == '\n' ? 1 : 0;
    if (status_.ok() && at_ != text_.size()) Fail(0, "the end of the file", "there is more");
  }
  const absl::Status& status() const { return status_; }

 private:
  static bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
  int64_t Fail(int64_t value, std::string_view what, std::string_view found) {
    status_ = absl::InvalidArgumentError(StrCat(file_, ", line ", line_, ": ", found, " where ", what, " is expected"));
    return value;
  }

  std::string file_;
  std::string text_;
  size_t at_ = 0;
  int64_t line_ = 1;
  absl::Status status_;
};

absl::StatusOr<Numbers> Open(const std::string& file) {
  TRUCE_ASSIGN_OR_RETURN(std::string text, host::ReadFile(file));
  return Numbers(file, std::move(text));
}

void ReadMachines(Numbers& numbers, Problem* problem) {
  const auto count = static_cast<size_t>(numbers.Next("the number of machines", 1, kMost));
  const size_t resources = problem->resources();
  for (size_t m = 0; m < count && numbers.status().ok(); ++m) {
    problem->neighborhood.push_back(numbers.NextIndex("a neighborhood", static_cast<int64_t>(count)));
    problem->domain.push_back(numbers.NextIndex("a location", static_cast<int64_t>(count)));
    for (size_t r = 0; r < resources; ++r) problem->capacity.push_back(numbers.Next("a capacity"));
    for (size_t r = 0; r < resources; ++r) problem->soft_capacity.push_back(numbers.Next("a safety capacity"));
    for (size_t other = 0; other < count && numbers.status().ok(); ++other) {
      problem->distance.push_back(static_cast<int32_t>(numbers.Next("a machine move cost", 0, INT32_MAX)));
    }
  }
}

void ReadServices(Numbers& numbers, Problem* problem) {
  const int64_t count = numbers.Next("the number of services", 0, kMost);
  for (int64_t s = 0; s < count && numbers.status().ok(); ++s) {
    Group& group = problem->groups.emplace_back();
    group.spread = static_cast<int32_t>(numbers.Next("a service's spread", 0, INT32_MAX));
    const int64_t needs = numbers.Next("a number of dependencies", 0, count);
    for (int64_t i = 0; i < needs && numbers.status().ok(); ++i) {
      group.needs.push_back(numbers.NextIndex("a service that is needed", count));
    }
  }
}

// Their move costs are still without the weight.
void ReadProcesses(Numbers& numbers, Problem* problem) {
  const int64_t count = numbers.Next("the number of processes", 0, kMost);
  const auto services = static_cast<int64_t>(problem->groups.size());
  for (int64_t p = 0; p < count && numbers.status().ok(); ++p) {
    problem->group.push_back(numbers.NextIndex("a process's service", services));
    for (size_t r = 0; r < problem->resources(); ++r) problem->demand.push_back(numbers.Next("a requirement"));
    problem->move_cost.push_back(numbers.Next("a process move cost"));
  }
}

}  // namespace

absl::StatusOr<Problem> ReadRoadefModel(const std::string& file) {
  TRUCE_ASSIGN_OR_RETURN(Numbers numbers, Open(file));
  Problem problem;
  const int64_t resources = numbers.Next("the number of resources", 1, 10'000);
  for (int64_t r = 0; r < resources && numbers.status().ok(); ++r) {
    problem.transient.push_back(static_cast<uint8_t>(numbers.Next("whether a resource is transient", 0, 1)));
    problem.load_weight.push_back(numbers.Next("a load weight"));
  }
  ReadMachines(numbers, &problem);
  ReadServices(numbers, &problem);
  ReadProcesses(numbers, &problem);
  const int64_t balances = numbers.Next("the number of balance costs", 0, kMost);
  for (int64_t i = 0; i < balances && numbers.status().ok(); ++i) {
    Balance& balance = problem.balances.emplace_back();
    balance.resource = numbers.NextIndex("a balanced resource", resources);
    balance.other = numbers.NextIndex("a balanced resource", resources);
    balance.target = numbers.Next("a balance target");
    balance.weight = numbers.Next("a balance weight");
  }
  const int64_t process_weight = numbers.Next("the weight of process moves", 0, INT32_MAX);
  problem.group_move_weight = numbers.Next("the weight of service moves", 0, INT32_MAX);
  problem.distance_weight = numbers.Next("the weight of machine moves", 0, INT32_MAX);
  numbers.End();
  TRUCE_RETURN_IF_ERROR(numbers.status());
  for (int64_t& cost : problem.move_cost) {
    if (__builtin_mul_overflow(cost, process_weight, &cost)) {
      return absl::InvalidArgumentError(StrCat(file, ": a process move cost times its weight is too large"));
    }
  }
  if (const absl::Status sound = Check(problem); !sound.ok()) {
    return absl::InvalidArgumentError(StrCat(file, ": ", StdView(sound.message())));
  }
  return problem;
}

absl::StatusOr<Assignment> ReadRoadefAssignment(const std::string& file, const Problem& problem) {
  TRUCE_ASSIGN_OR_RETURN(Numbers numbers, Open(file));
  Assignment assignment;
  for (size_t p = 0; p < problem.workloads() && numbers.status().ok(); ++p) {
    assignment.push_back(
        numbers.NextIndex(StrCat("the machine of process ", p), static_cast<int64_t>(problem.hosts())));
  }
  numbers.End();
  TRUCE_RETURN_IF_ERROR(numbers.status());
  return assignment;
}

absl::Status WriteRoadefAssignment(const Assignment& assignment, const std::string& file) {
  std::string text;
  for (const int32_t host : assignment) StrAppend(&text, text.empty() ? "" : " ", host);
  return WriteFileAtomically(file, text + "\n", 0644, IfExists::kReplace);
}

}  // namespace truce::lab
