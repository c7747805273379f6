#include "agent/predict/model_scorer.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace truce::agent {
namespace {

// A fingerprint remembers about so many samples.
constexpr size_t kCatchUpSamples = 24;

// Every so many rounds a workload's signature is made anew: five minutes, at a scoring every 5 s; and how many
// newcomers are signed in a round.
constexpr uint64_t kSignatureRounds = 60;
constexpr size_t kSignedNewcomers = 2;
// Who was at work for some of so many samples, and is now, is signed.
constexpr size_t kSignedSamples = 60;

// A group of features that was not seen for so many samples is missing.
constexpr int kMissingAfter = 10;

// Groups of features that are missing from an input altogether, one bit each.
unsigned MissingGroups(const Rows& inputs, Eigen::Index row) {
  unsigned present = 0;
  for (size_t i = 0; i < kFeatureCount; ++i) {
    if (inputs(row, static_cast<Eigen::Index>(kFeatureCount + i)) > 0) {
      present |= 1u << static_cast<unsigned>(FeatureGroupOf(i));
    }
  }
  return ~present & ((1u << kFeatureGroupCount) - 1);
}

v1::Resource ResourceOf(const Rows& by_resource, Eigen::Index pair) {
  Eigen::Index best = 0;
  by_resource.col(pair).maxCoeff(&best);
  return static_cast<v1::Resource>(v1::RESOURCE_CPU + static_cast<int>(best));
}

// Makes the matrix `rows` long; the first `staying` rows stay, the rest are zero.
void Resize(Eigen::Index staying, Eigen::Index rows, Eigen::Index columns, Rows* matrix) {
  if (matrix->rows() != rows) matrix->conservativeResize(rows, columns);
  matrix->bottomRows(rows - staying).setZero();
}

}  // namespace

double ModelScore::severity() const {
  return std::expm1(static_cast<double>(log_slowdown));
}

ModelScorer::ModelScorer(ModelFile file, Topology topology, ModelScorerOptions options)
    : file_(std::move(file)), signatures_(file_), topology_(std::move(topology)), options_(options) {}

void ModelScorer::Drop(size_t slot) {
  slot_of_.erase(slots_[slot].key);
  const size_t last = slots_.size() - 1;
  if (slot != last) {
    slots_[slot] = slots_[last];
    slot_of_[slots_[slot].key] = slot;
    fingerprints_.row(static_cast<Eigen::Index>(slot)) = fingerprints_.row(static_cast<Eigen::Index>(last));
    memory_.row(static_cast<Eigen::Index>(slot)) = memory_.row(static_cast<Eigen::Index>(last));
  }
  slots_.pop_back();
}

void ModelScorer::AddSlots(const Profiles& profiles) {
  for (size_t i = slots_.size(); i-- > 0;) {
    if (!profiles.contains(slots_[i].key)) Drop(i);
  }
  const auto staying = static_cast<Eigen::Index>(slots_.size());
  for (const auto& [key, profile] : profiles) {
    if (slot_of_.contains(key)) continue;
    slot_of_[key] = slots_.size();
    Slot& slot = slots_.emplace_back();
    slot.key = key;
  }
  const auto rows = static_cast<Eigen::Index>(slots_.size());
  Resize(staying, rows, static_cast<Eigen::Index>(kModelInputs), &inputs_);
  Resize(staying, rows, file_.model.fingerprint(), &fingerprints_);
  Resize(staying, rows, file_.model.memory(), &memory_);
}

void ModelScorer::Take(const Profile& profile, size_t age, size_t slot) {
  Sample sample = profile.window.back(age);
  // Of what it may run on while an action of ours holds it, it takes another share than of what it had without.
  if (sample.has(Reading::kCpuAllowedCount)) {
    const size_t free = profile.free_cpus.empty() ? topology_.cpus.size() : profile.free_cpus.size();
    sample.set(Reading::kCpuAllowedCount, static_cast<double>(free));
  }
  const ModelInput input = MakeModelInput(sample);
  const auto row = static_cast<Eigen::Index>(slot);
  inputs_.row(row) = Eigen::Map<const Row>(input.data(), static_cast<Eigen::Index>(input.size()));
  // Counters come and go with their duty cycle, so a group is missing when it was not seen for a while.
  const unsigned missing = MissingGroups(inputs_, row);
  for (size_t group = 0; group < kFeatureGroupCount; ++group) {
    int& since = slots_[slot].samples_since_seen[group];
    since = (missing >> group) & 1u ? std::min(since + 1, kMissingAfter) : 0;
  }
  slots_[slot].cpu_set = CpuSet(profile.free_cpus);
}

void ModelScorer::StepAll(const Profiles& profiles, size_t age) {
  // A first sample has no rates; a tick that brought nothing must not count twice.
  const auto is_new = [age](const Profile& profile, const Slot& slot) {
    if (profile.window.size() <= age) return false;
    const Sample& sample = profile.window.back(age);
    return sample.has(Reading::kCpuUsageCores) && sample.taken_at > slot.sampled_at;
  };
  for (const auto& [key, profile] : profiles) {
    const size_t slot = slot_of_[key];
    if (is_new(*profile, slots_[slot])) Take(*profile, age, slot);
  }
  stepped_fingerprints_ = fingerprints_;
  stepped_memory_ = memory_;
  file_.model.Step(inputs_, &stepped_fingerprints_, &stepped_memory_);
  for (const auto& [key, profile] : profiles) {
    const size_t i = slot_of_[key];
    if (!is_new(*profile, slots_[i])) continue;
    slots_[i].sampled_at = profile->window.back(age).taken_at;
    ++slots_[i].steps;
    const auto row = static_cast<Eigen::Index>(i);
    fingerprints_.row(row) = stepped_fingerprints_.row(row);
    memory_.row(row) = stepped_memory_.row(row);
  }
}

void ModelScorer::Tick(const Profiles& profiles) {
  AddSlots(profiles);
  if (!slots_.empty()) StepAll(profiles, 0);
}

void ModelScorer::CatchUp(const Profiles& profiles) {
  AddSlots(profiles);
  if (slots_.empty()) return;
  for (size_t age = kCatchUpSamples; age-- > 0;) StepAll(profiles, age);
}

size_t ModelScorer::CpuSet(const std::vector<int>& cpus) {
  const auto found = cpu_set_of_.find(cpus);
  if (found != cpu_set_of_.end()) return found->second;
  std::vector<int> all = cpus;
  if (all.empty()) {
    for (const Topology::Cpu& cpu : topology_.cpus) all.push_back(cpu.id);
  }
  cpu_set_of_[cpus] = cpu_sets_.size();
  cpu_sets_.push_back(std::move(all));
  return cpu_sets_.size() - 1;
}

const PairContext& ModelScorer::SharesOf(size_t victim_set, size_t aggressor_set) {
  const auto [entry, is_new] = shares_.try_emplace({victim_set, aggressor_set});
  if (is_new) entry->second = ShareOf(topology_, cpu_sets_[victim_set], cpu_sets_[aggressor_set]);
  return entry->second;
}

double ModelScorer::Accuracy(unsigned missing) {
  const auto found = accuracy_.find(missing);
  if (found != accuracy_.end()) return found->second;
  std::vector<FeatureGroup> groups;
  for (size_t i = 0; i < kFeatureGroupCount; ++i) {
    if ((missing >> i) & 1u) groups.push_back(static_cast<FeatureGroup>(i));
  }
  return accuracy_[missing] = AccuracyWithout(file_.skills, groups);
}

void ModelScorer::PruneCpuSets(const Profiles& profiles) {
  if (cpu_sets_.size() <= 2 * slots_.size() + 16) return;
  cpu_sets_.clear();
  cpu_set_of_.clear();
  shares_.clear();
  for (Slot& slot : slots_) slot.cpu_set = CpuSet(profiles.at(slot.key)->free_cpus);
}

const Company& ModelScorer::CompanyOn(size_t cpu_set) {
  Neighbourhood& neighbourhood = neighbourhoods_[cpu_set];
  if (neighbourhood.made) return neighbourhood.company;
  contexts_.resize(static_cast<Eigen::Index>(slots_.size()), static_cast<Eigen::Index>(PairContext::kSize));
  for (size_t a = 0; a < slots_.size(); ++a) {
    const auto shares = SharesOf(cpu_set, slots_[a].cpu_set).ToArray();
    contexts_.row(static_cast<Eigen::Index>(a)) =
        Eigen::Map<const Row>(shares.data(), static_cast<Eigen::Index>(shares.size()));
  }
  file_.model.Accompany(as_aggressors_, contexts_, &neighbourhood.company);
  neighbourhood.made = true;
  return neighbourhood.company;
}

const std::vector<ModelScore>& ModelScorer::Score(const Profiles& profiles,
                                                  const std::set<std::pair<uint64_t, uint64_t>>& wanted) {
  scores_.clear();
  PruneCpuSets(profiles);
  const auto count = static_cast<Eigen::Index>(slots_.size());
  if (count < 2) return scores_;
  file_.model.Project(fingerprints_, &as_victims_, &as_aggressors_);
  distances_ = file_.model.familiarity().Distances(fingerprints_);
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    const Profile& profile = *profiles.at(slot.key);
    slot.familiarity = file_.model.familiarity().OfDistance(distances_(static_cast<Eigen::Index>(i)));
    const double cores =
        std::max(profile.usage.mean(),
                 profile.window.size() > 0 ? profile.window.back(0).value_or(Reading::kCpuUsageCores, 0) : 0.0);
    slot.victim = cores >= options_.least_victim_cores && profile.samples_seen >= options_.least_samples;
    slot.missing = 0;
    for (size_t group = 0; group < kFeatureGroupCount; ++group) {
      if (slot.samples_since_seen[group] >= kMissingAfter) slot.missing |= 1u << group;
    }
  }
  const float deviations = file_.model.calibration().interval_deviations;
  unsigned missing_of_accuracy = 0;
  double accuracy = Accuracy(0);
  neighbourhoods_.resize(cpu_sets_.size());
  for (Neighbourhood& neighbourhood : neighbourhoods_) neighbourhood.made = false;
  for (Eigen::Index v = 0; v < count; ++v) {
    const Slot& victim = slots_[static_cast<size_t>(v)];
    if (!victim.victim || victim.steps < options_.least_steps) continue;
    file_.model.Price(as_victims_.row(v), CompanyOn(victim.cpu_set), &effects_);
    for (Eigen::Index a = 0; a < count; ++a) {
      const Slot& aggressor = slots_[static_cast<size_t>(a)];
      if (a == v || aggressor.steps < options_.least_steps) continue;
      const double probability = effects_.probability(a);
      if (100 * probability < options_.report_floor && !wanted.contains({victim.key, aggressor.key})) continue;
      // Nearly all pairs of a host lack the same readings.
      const unsigned missing = victim.missing | aggressor.missing;
      if (missing != missing_of_accuracy) {
        accuracy = Accuracy(missing);
        missing_of_accuracy = missing;
      }
      scores_.push_back({.victim = victim.key,
                         .aggressor = aggressor.key,
                         .probability = probability,
                         .log_slowdown = effects_.mean(a),
                         .reach = deviations * std::sqrt(effects_.variance(a) + file_.model.base_variance()),
                         .confidence = std::min(victim.familiarity, aggressor.familiarity) * accuracy,
                         .resource = ResourceOf(effects_.by_resource, a)});
    }
  }
  return scores_;
}

bool ModelScorer::MayBeSigned(const Profile& profile) const {
  // A fingerprint of somebody idle, or held by us, is not how the application behaves.
  if (profile.samples_since_held < static_cast<int>(kCatchUpSamples)) return false;
  const auto is_busy = [this, &profile](size_t age) {
    return profile.window.back(age).value_or(Reading::kCpuUsageCores, 0) >= options_.busy_cores;
  };
  const size_t seen = std::min(profile.window.size(), kSignedSamples);
  if (seen < kCatchUpSamples || !is_busy(0) || !is_busy(1)) return false;
  size_t busy = 0;
  for (size_t age = 0; age < seen; ++age) busy += is_busy(age) ? 1 : 0;
  return busy >= kCatchUpSamples / 2;
}

std::map<uint64_t, v1::Signature> ModelScorer::Sign(const Profiles& profiles) {
  ++round_;
  std::map<uint64_t, v1::Signature> signatures;
  const size_t most = slots_.size() / kSignatureRounds + kSignedNewcomers;
  for (size_t i = 0; i < slots_.size() && signatures.size() < most; ++i) {
    Slot& slot = slots_[i];
    if (round_ < slot.sign_at || slot.steps < kCatchUpSamples || !MayBeSigned(*profiles.at(slot.key))) continue;
    slot.sign_at = round_ + kSignatureRounds;
    signatures[slot.key] = signatures_.Make(fingerprints_.row(static_cast<Eigen::Index>(i)));
  }
  return signatures;
}

std::optional<ModelScorer::View> ModelScorer::Find(uint64_t key) const {
  const auto found = slot_of_.find(key);
  if (found == slot_of_.end() || slots_[found->second].steps < options_.least_steps) return std::nullopt;
  const Row fingerprint = fingerprints_.row(static_cast<Eigen::Index>(found->second));
  return View{fingerprint, file_.model.familiarity().Of(fingerprint)};
}

}  // namespace truce::agent
