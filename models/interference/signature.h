// What a workload's fingerprint says of its meetings with others: v1.Signature. The model prices it beside every
// program that it learned from (ModelReference), in both directions, on the same CPUs and apart. Not thread-safe.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "models/interference/model_file.h"
#include "truce/v1/types.pb.h"

namespace truce {

class SignatureMaker {
 public:
  // A model without references makes signatures without effects.
  explicit SignatureMaker(const ModelFile& file);

  // `fingerprint` is [hidden].
  v1::Signature Make(Eigen::Ref<const Row> fingerprint);

 private:
  // What one side of a meeting suffers, as fractions.
  struct Slowdown {
    double on_same_cpus = 0;
    double on_own_cpus = 0;
    std::array<double, kResourceCount> by_resource{};  // on the same CPUs
  };
  // One per aggressor, in order; `aggressors` is [pair, aggressors].
  std::vector<Slowdown> Price(Eigen::Ref<const Row> victim, const Rows& aggressors);
  // `hurts` and `suffers` have one entry per reference.
  static void ByResource(const std::vector<Slowdown>& hurts, const std::vector<Slowdown>& suffers,
                         v1::Signature* signature);
  void ByKind(const std::vector<Slowdown>& hurts, const std::vector<Slowdown>& suffers, v1::Signature* signature) const;
  void Resemble(const Row& embedding, v1::Signature* signature) const;

  const std::string version_;
  const std::vector<ModelReference> references_;
  InterferenceModel model_;
  // The references' halves of the pair head, [references, pair] and [pair, references], and their embeddings,
  // [references, hidden].
  Rows as_victims_;
  Rows as_aggressors_;
  Rows embeddings_;
  PairEffects effects_;
  Company company_;
};

}  // namespace truce
