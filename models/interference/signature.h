// What a workload's fingerprint says of its meetings with others: v1.Signature. The model prices it beside every
// program that it learned from (ModelReference), in both directions, on the same CPUs and apart. Not thread-safe.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "models/interference/model_file.h"
#include "truce/v1/types.pb.h"

namespace truce {

class SignatureMaker {
 public:
  // A model without references makes signatures without effects.
  explicit SignatureMaker(const ModelFile& file);

  // `fingerprint` is [model.fingerprint()].
  v1::Signature Make(Eigen::Ref<const Row> fingerprint);

 private:
  // What one side of a meeting suffers, as fractions.
  struct Slowdown {
    double on_same_cpus = 0;
    double on_own_cpus = 0;
    std::array<double, kResourceCount> by_resource{};  // on the same CPUs
  };
  // One per reference: `self`, [2 * pair], is the workload's half of the pair head in either place, and the others'
  // halves stand in the companies.
  std::vector<Slowdown> Price(Eigen::Ref<const Row> self_on_same_cpus, const Company& on_same_cpus,
                              Eigen::Ref<const Row> self_on_own_cpus, const Company& on_own_cpus);
  std::vector<Slowdown> PriceAsVictim(Eigen::Ref<const Row> as_victim);
  std::vector<Slowdown> PriceAsAggressor(const Rows& as_aggressor);
  // The mean over the references of each kind.
  std::vector<Slowdown> ByKind(const std::vector<Slowdown>& slowdowns) const;
  // By resource, the mean over all kinds alike.
  std::array<double, kResourceCount> OverKinds(const std::vector<Slowdown>& by_kind) const;
  void Resemble(const Row& embedding, v1::Signature* signature) const;

  const std::string version_;
  const std::vector<ModelReference> references_;
  InterferenceModel model_;
  // By name, and which references are of that kind.
  std::map<std::string, std::vector<size_t>> kinds_;
  Rows embeddings_;  // [references, fingerprint]
  Rows as_victims_;  // [2 * pair, references]
  // All references as aggressors of one workload, in either place.
  Company aggressors_on_same_cpus_;
  Company aggressors_on_own_cpus_;
  // What the references do to each other, over all kinds alike.
  std::array<double, kResourceCount> usual_{};
  PairEffects effects_;
};

}  // namespace truce
