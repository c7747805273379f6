#include "models/interference/signature.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "models/similarity.h"

namespace truce {
namespace {

constexpr int kMostResemblances = 3;
constexpr PairContext kSameCpus{1, 1, 0, 1, 1};
constexpr PairContext kOwnCpus{0, 0, 0, 1, 1};

Rows Repeated(const PairContext& context, Eigen::Index times) {
  const auto shares = context.ToArray();
  return Eigen::Map<const Row>(shares.data(), static_cast<Eigen::Index>(shares.size())).replicate(times, 1);
}

std::span<const float> Values(Eigen::Ref<const Row> row) {
  return {row.data(), static_cast<size_t>(row.size())};
}

}  // namespace

SignatureMaker::SignatureMaker(const ModelFile& file)
    : version_(file.version), references_(file.references), model_(file.model) {
  Rows fingerprints(static_cast<Eigen::Index>(references_.size()), model_.hidden());
  embeddings_.resize(fingerprints.rows(), fingerprints.cols());
  for (Eigen::Index i = 0; i < fingerprints.rows(); ++i) {
    fingerprints.row(i) = references_[static_cast<size_t>(i)].fingerprint;
    embeddings_.row(i) = model_.familiarity().Embed(fingerprints.row(i));
  }
  model_.Project(fingerprints, &as_victims_, &as_aggressors_);
}

std::vector<SignatureMaker::Slowdown> SignatureMaker::Price(Eigen::Ref<const Row> victim, const Rows& aggressors) {
  std::vector<Slowdown> slowdowns(static_cast<size_t>(aggressors.cols()));
  for (const PairContext* context : {&kSameCpus, &kOwnCpus}) {
    model_.Accompany(aggressors, Repeated(*context, aggressors.cols()), &company_);
    model_.Price(victim, company_, &effects_);
    for (Eigen::Index i = 0; i < aggressors.cols(); ++i) {
      Slowdown& slowdown = slowdowns[static_cast<size_t>(i)];
      const double whole = std::expm1(effects_.mean(i));
      if (context == &kOwnCpus) {
        slowdown.on_own_cpus = whole;
        continue;
      }
      slowdown.on_same_cpus = whole;
      for (size_t r = 0; r < kResourceCount; ++r) {
        const float part = PairEffects::Contribution(effects_.by_resource(static_cast<Eigen::Index>(r), i));
        slowdown.by_resource[r] = std::expm1(part);
      }
    }
  }
  return slowdowns;
}

v1::Signature SignatureMaker::Make(Eigen::Ref<const Row> fingerprint) {
  v1::Signature signature;
  signature.set_model_version(version_);
  const Row embedding = model_.familiarity().Embed(fingerprint);
  signature.mutable_embedding()->Add(embedding.data(), embedding.data() + embedding.size());
  signature.set_familiarity(model_.familiarity().Of(fingerprint));
  if (references_.empty()) return signature;
  Rows as_victim, as_aggressor;
  model_.Project(fingerprint, &as_victim, &as_aggressor);
  const std::vector<Slowdown> suffers = Price(as_victim.row(0), as_aggressors_);
  std::vector<Slowdown> hurts;
  for (Eigen::Index i = 0; i < as_victims_.rows(); ++i) hurts.push_back(Price(as_victims_.row(i), as_aggressor)[0]);
  ByResource(hurts, suffers, &signature);
  ByKind(hurts, suffers, &signature);
  Resemble(embedding, &signature);
  return signature;
}

void SignatureMaker::ByResource(const std::vector<Slowdown>& hurts, const std::vector<Slowdown>& suffers,
                                v1::Signature* signature) {
  const auto mean = [](const std::vector<Slowdown>& slowdowns, size_t resource) {
    double sum = 0;
    for (const Slowdown& slowdown : slowdowns) sum += slowdown.by_resource[resource];
    return sum / static_cast<double>(slowdowns.size());
  };
  for (size_t r = 0; r < kResourceCount; ++r) {
    v1::ResourceEffect& effect = *signature->add_resources();
    effect.set_resource(static_cast<v1::Resource>(v1::RESOURCE_CPU + static_cast<int>(r)));
    effect.set_hurts_ratio(mean(hurts, r));
    effect.set_suffers_ratio(mean(suffers, r));
  }
}

void SignatureMaker::ByKind(const std::vector<Slowdown>& hurts, const std::vector<Slowdown>& suffers,
                            v1::Signature* signature) const {
  std::map<std::string, std::vector<size_t>> members;
  for (size_t i = 0; i < references_.size(); ++i) members[references_[i].kind].push_back(i);
  for (const auto& [kind, which] : members) {
    const auto mean = [&which](const std::vector<Slowdown>& slowdowns, double Slowdown::*part) {
      double sum = 0;
      for (const size_t i : which) sum += slowdowns[i].*part;
      return sum / static_cast<double>(which.size());
    };
    v1::KindEffect& effect = *signature->add_kinds();
    effect.set_kind(kind);
    effect.set_hurts_on_same_cpus_ratio(mean(hurts, &Slowdown::on_same_cpus));
    effect.set_hurts_on_own_cpus_ratio(mean(hurts, &Slowdown::on_own_cpus));
    effect.set_suffers_on_same_cpus_ratio(mean(suffers, &Slowdown::on_same_cpus));
    effect.set_suffers_on_own_cpus_ratio(mean(suffers, &Slowdown::on_own_cpus));
  }
}

void SignatureMaker::Resemble(const Row& embedding, v1::Signature* signature) const {
  std::vector<v1::Resemblance> all(references_.size());
  for (size_t i = 0; i < references_.size(); ++i) {
    all[i].set_name(references_[i].name);
    all[i].set_similarity(Similarity(Values(embedding), Values(embeddings_.row(static_cast<Eigen::Index>(i)))));
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.similarity() > b.similarity(); });
  all.resize(std::min<size_t>(all.size(), kMostResemblances));
  for (v1::Resemblance& one : all) *signature->add_resembles() = std::move(one);
}

}  // namespace truce
