#include "models/interference/signature.h"

#include <algorithm>
#include <cmath>
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

v1::Resource ResourceAt(size_t resource) {
  return static_cast<v1::Resource>(v1::RESOURCE_CPU + static_cast<int>(resource));
}

}  // namespace

SignatureMaker::SignatureMaker(const ModelFile& file)
    : version_(file.version), references_(file.references), model_(file.model) {
  if (references_.empty()) return;
  const auto count = static_cast<Eigen::Index>(references_.size());
  Rows fingerprints(count, model_.fingerprint());
  embeddings_.resize(count, model_.fingerprint());
  for (size_t i = 0; i < references_.size(); ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    fingerprints.row(row) = references_[i].fingerprint;
    embeddings_.row(row) = model_.familiarity().Embed(fingerprints.row(row));
    kinds_[references_[i].kind].push_back(i);
  }
  Rows as_victims, as_aggressors;
  model_.Project(fingerprints, &as_victims, &as_aggressors);
  model_.Accompany(as_aggressors, Repeated(kSameCpus, count), &aggressors_on_same_cpus_);
  model_.Accompany(as_aggressors, Repeated(kOwnCpus, count), &aggressors_on_own_cpus_);
  as_victims_ = as_victims.transpose();
  std::vector<Slowdown> suffered(references_.size());
  for (size_t i = 0; i < references_.size(); ++i) {
    suffered[i].by_resource = OverKinds(ByKind(PriceAsVictim(as_victims.row(static_cast<Eigen::Index>(i)))));
  }
  usual_ = OverKinds(ByKind(suffered));
}

std::vector<SignatureMaker::Slowdown> SignatureMaker::Price(Eigen::Ref<const Row> self_on_same_cpus,
                                                            const Company& on_same_cpus,
                                                            Eigen::Ref<const Row> self_on_own_cpus,
                                                            const Company& on_own_cpus) {
  std::vector<Slowdown> slowdowns(references_.size());
  const auto column = [](size_t reference) { return static_cast<Eigen::Index>(reference); };
  model_.Price(self_on_own_cpus, on_own_cpus, &effects_);
  for (size_t i = 0; i < slowdowns.size(); ++i) slowdowns[i].on_own_cpus = std::expm1(effects_.mean(column(i)));
  model_.Price(self_on_same_cpus, on_same_cpus, &effects_);
  for (size_t i = 0; i < slowdowns.size(); ++i) {
    slowdowns[i].on_same_cpus = std::expm1(effects_.mean(column(i)));
    for (size_t r = 0; r < kResourceCount; ++r) {
      const float part = effects_.by_resource(static_cast<Eigen::Index>(r), column(i));
      slowdowns[i].by_resource[r] = PairEffects::Contribution(part);
    }
  }
  return slowdowns;
}

std::vector<SignatureMaker::Slowdown> SignatureMaker::PriceAsVictim(Eigen::Ref<const Row> as_victim) {
  return Price(as_victim, aggressors_on_same_cpus_, as_victim, aggressors_on_own_cpus_);
}

std::vector<SignatureMaker::Slowdown> SignatureMaker::PriceAsAggressor(const Rows& as_aggressor) {
  // The head's first layer treats both sides alike, so many victims of one aggressor are priced like many aggressors of
  // one victim.
  const auto beside = [this](const Company& aggressor) {
    return Company{{}, as_victims_, aggressor.gates.replicate(1, as_victims_.cols())};
  };
  Company same, own;
  model_.Accompany(as_aggressor, Repeated(kSameCpus, 1), &same);
  model_.Accompany(as_aggressor, Repeated(kOwnCpus, 1), &own);
  return Price(same.pair.transpose(), beside(same), own.pair.transpose(), beside(own));
}

std::vector<SignatureMaker::Slowdown> SignatureMaker::ByKind(const std::vector<Slowdown>& slowdowns) const {
  std::vector<Slowdown> means;
  for (const auto& [kind, members] : kinds_) {
    Slowdown& mean = means.emplace_back();
    const double share = 1 / static_cast<double>(members.size());
    for (const size_t i : members) {
      mean.on_same_cpus += share * slowdowns[i].on_same_cpus;
      mean.on_own_cpus += share * slowdowns[i].on_own_cpus;
      for (size_t r = 0; r < kResourceCount; ++r) mean.by_resource[r] += share * slowdowns[i].by_resource[r];
    }
  }
  return means;
}

std::array<double, kResourceCount> SignatureMaker::OverKinds(const std::vector<Slowdown>& by_kind) const {
  std::array<double, kResourceCount> mean{};
  for (const Slowdown& one : by_kind) {
    for (size_t r = 0; r < kResourceCount; ++r) mean[r] += one.by_resource[r] / static_cast<double>(by_kind.size());
  }
  return mean;
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
  const std::vector<Slowdown> hurts = ByKind(PriceAsAggressor(as_aggressor));
  const std::vector<Slowdown> suffers = ByKind(PriceAsVictim(as_victim.row(0)));
  size_t at = 0;
  for (const auto& [kind, _] : kinds_) {
    v1::KindEffect& effect = *signature.add_kinds();
    effect.set_kind(kind);
    effect.set_hurts_on_same_cpus_ratio(hurts[at].on_same_cpus);
    effect.set_hurts_on_own_cpus_ratio(hurts[at].on_own_cpus);
    effect.set_suffers_on_same_cpus_ratio(suffers[at].on_same_cpus);
    effect.set_suffers_on_own_cpus_ratio(suffers[at].on_own_cpus);
    ++at;
  }
  const auto hurts_by_resource = OverKinds(hurts);
  const auto suffers_by_resource = OverKinds(suffers);
  for (size_t r = 0; r < kResourceCount; ++r) {
    v1::ResourceEffect& effect = *signature.add_resources();
    effect.set_resource(ResourceAt(r));
    effect.set_hurts_ratio(hurts_by_resource[r]);
    effect.set_suffers_ratio(suffers_by_resource[r]);
    effect.set_usual_ratio(usual_[r]);
  }
  Resemble(embedding, &signature);
  return signature;
}

void SignatureMaker::Resemble(const Row& embedding, v1::Signature* signature) const {
  const auto size = static_cast<size_t>(embedding.size());
  std::vector<v1::Resemblance> all(references_.size());
  for (size_t i = 0; i < references_.size(); ++i) {
    all[i].set_name(references_[i].name);
    all[i].set_similarity(Similarity({embedding.data(), size}, {embeddings_.data() + i * size, size}));
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.similarity() > b.similarity(); });
  all.resize(std::min<size_t>(all.size(), kMostResemblances));
  for (v1::Resemblance& one : all) *signature->add_resembles() = std::move(one);
}

}  // namespace truce
