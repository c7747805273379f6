#include "controller/learn/signatures.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <tuple>
#include <utility>

#include "absl/hash/hash.h"
#include "controller/fleet/moment.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "models/similarity.h"

namespace truce::controller {
namespace {

// What the newest signature weighs at least.
constexpr double kLeastWeight = 0.02;
// From so many signatures on one can't outweigh the others: the weight of the fifth.
constexpr double kBoundedFrom = 0.2;
// Hosts that a model must be signed by to speak for an application, if as many sign by another one.
constexpr uint32_t kEnoughHosts = 3;
// A model that an application was not signed by for so long, while another signs it, is not in use any more.
constexpr absl::Duration kAbandonedAfter = absl::Hours(24);

// `last`: when its application was last signed by any model.
bool IsInUse(const v1::ApplicationSignature& learned, absl::Time last) {
  return last - ToTime(learned.last_learned_at()) < kAbandonedAfter;
}

std::span<const float> Embedding(const v1::ApplicationSignature& learned) {
  const auto& embedding = learned.signature().embedding();
  return {embedding.data(), static_cast<size_t>(embedding.size())};
}

double Blend(double mean, double newest, double weight) {
  return mean + weight * (newest - mean);
}

bool SameThing(const v1::ResourceEffect& a, const v1::ResourceEffect& b) {
  return a.resource() == b.resource();
}
bool SameThing(const v1::KindEffect& a, const v1::KindEffect& b) {
  return a.kind() == b.kind();
}

// What an agent says that is far from what all the others said counts as if it were less far.
double BlendBounded(double mean, double newest, double weight) {
  constexpr double kTimes = 10;
  constexpr double kLittle = 0.01;
  if (weight > kBoundedFrom) return Blend(mean, newest, weight);
  return Blend(mean, std::clamp(newest, mean / kTimes, kTimes * mean + kLittle), weight);
}

// Hosts are placed by these.
void Blend(const v1::ResourceEffect& mean, double weight, v1::ResourceEffect* newest) {
  newest->set_hurts_ratio(BlendBounded(mean.hurts_ratio(), newest->hurts_ratio(), weight));
  newest->set_suffers_ratio(BlendBounded(mean.suffers_ratio(), newest->suffers_ratio(), weight));
  // An agent that doesn't say what is usual says nothing against it.
  if (mean.usual_ratio() <= 0) return;
  newest->set_usual_ratio(newest->usual_ratio() > 0 ? BlendBounded(mean.usual_ratio(), newest->usual_ratio(), weight)
                                                    : mean.usual_ratio());
}

void Blend(const v1::KindEffect& mean, double weight, v1::KindEffect* newest) {
  newest->set_hurts_on_same_cpus_ratio(
      Blend(mean.hurts_on_same_cpus_ratio(), newest->hurts_on_same_cpus_ratio(), weight));
  newest->set_hurts_on_own_cpus_ratio(Blend(mean.hurts_on_own_cpus_ratio(), newest->hurts_on_own_cpus_ratio(), weight));
  newest->set_suffers_on_same_cpus_ratio(
      Blend(mean.suffers_on_same_cpus_ratio(), newest->suffers_on_same_cpus_ratio(), weight));
  newest->set_suffers_on_own_cpus_ratio(
      Blend(mean.suffers_on_own_cpus_ratio(), newest->suffers_on_own_cpus_ratio(), weight));
}

template <typename Effect>
void BlendAll(const google::protobuf::RepeatedPtrField<Effect>& mean, double weight,
              google::protobuf::RepeatedPtrField<Effect>* newest) {
  for (Effect& effect : *newest) {
    const auto before =
        std::find_if(mean.begin(), mean.end(), [&effect](const Effect& one) { return SameThing(one, effect); });
    if (before != mean.end()) Blend(*before, weight, &effect);
  }
}

// Turns the newest signature into the new mean.
void Blend(const v1::Signature& mean, double weight, v1::Signature* newest) {
  if (mean.embedding_size() == newest->embedding_size()) {
    for (int i = 0; i < mean.embedding_size(); ++i) {
      newest->set_embedding(i, static_cast<float>(Blend(mean.embedding(i), newest->embedding(i), weight)));
    }
  }
  newest->set_familiarity(Blend(mean.familiarity(), newest->familiarity(), weight));
  BlendAll(mean.resources(), weight, newest->mutable_resources());
  BlendAll(mean.kinds(), weight, newest->mutable_kinds());
}

}  // namespace

void Signatures::Learn(std::string_view host, const std::string& application, const v1::Signature& signature,
                       absl::Time now) {
  Entry entry;
  auto learned = std::make_shared<v1::ApplicationSignature>();
  learned->set_application(application);
  *learned->mutable_signature() = signature;
  learned->set_sample_count(1);
  SetTime(now, learned->mutable_first_learned_at());
  SetTime(now, learned->mutable_last_learned_at());
  if (const auto place = PlaceOf(application, signature.model_version())) {
    Entry before = Remove(*place);
    const uint64_t samples = before.learned->sample_count() + 1;
    Blend(before.learned->signature(), std::max(1.0 / static_cast<double>(samples), kLeastWeight),
          learned->mutable_signature());
    learned->set_sample_count(samples);
    *learned->mutable_first_learned_at() = before.learned->first_learned_at();
    learned->set_host_count(before.learned->host_count());
    entry.signers = std::move(before.signers);
  }
  const size_t signer = absl::HashOf(host);
  const bool signed_before = std::find(entry.signers.begin(), entry.signers.end(), signer) != entry.signers.end();
  if (!signed_before && entry.signers.size() < kEnoughHosts) entry.signers.push_back(signer);
  learned->set_host_count(std::max(learned->host_count(), static_cast<uint32_t>(entry.signers.size())));
  entry.learned = std::move(learned);
  entry.dirty = true;
  Append(std::move(entry));
}

void Signatures::Restore(v1::ApplicationSignature learned) {
  // What the store can't read comes without a name.
  if (learned.application().empty()) return;
  learned.set_host_count(std::clamp<uint32_t>(learned.host_count(), 1, kEnoughHosts));
  Append({.learned = std::make_shared<const v1::ApplicationSignature>(std::move(learned))});
}

const v1::ApplicationSignature* Signatures::Find(std::string_view application) const {
  const auto found = places_.find(application);
  return found == places_.end() ? nullptr : &Latest(found->second);
}

std::vector<const v1::ApplicationSignature*> Signatures::All() const {
  std::vector<const v1::ApplicationSignature*> all;
  for (const auto& [_, places] : places_) all.push_back(&Latest(places));
  return all;
}

std::vector<v1::Resemblance> Signatures::Resembling(std::string_view application, size_t limit) const {
  const v1::ApplicationSignature* const self = Find(application);
  if (self == nullptr) return {};
  std::vector<std::pair<double, const std::string*>> others;
  for (const auto& [_, entry] : entries_) {
    const v1::ApplicationSignature& other = *entry.learned;
    if (other.application() == self->application()) continue;
    if (other.signature().model_version() != self->signature().model_version()) continue;
    others.emplace_back(Similarity(Embedding(*self), Embedding(other)), &other.application());
  }
  const size_t count = std::min(limit, others.size());
  std::partial_sort(
      others.begin(), std::next(others.begin(), static_cast<std::ptrdiff_t>(count)), others.end(),
      [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : *a.second < *b.second; });
  std::vector<v1::Resemblance> most_alike(count);
  for (size_t i = 0; i < count; ++i) {
    most_alike[i].set_name(*others[i].second);
    most_alike[i].set_similarity(others[i].first);
  }
  return most_alike;
}

std::vector<v1::ApplicationSignature> Signatures::TakeDirty(size_t most) {
  std::vector<v1::ApplicationSignature> dirty;
  for (auto& [_, entry] : entries_) {
    if (dirty.size() >= most) break;
    if (std::exchange(entry.dirty, false)) dirty.push_back(*entry.learned);
  }
  return dirty;
}

const v1::ApplicationSignature& Signatures::Latest(const std::vector<uint64_t>& places) const {
  const absl::Time last = ToTime(entries_.at(places.back()).learned->last_learned_at());
  uint32_t most_hosts = 0;
  for (const uint64_t place : places) {
    const v1::ApplicationSignature& learned = *entries_.at(place).learned;
    if (IsInUse(learned, last)) most_hosts = std::max(most_hosts, learned.host_count());
  }
  const auto came = [&](uint64_t place) {
    const v1::ApplicationSignature& learned = *entries_.at(place).learned;
    return std::tuple(IsInUse(learned, last), learned.host_count() >= most_hosts, ToTime(learned.first_learned_at()),
                      ToTime(learned.last_learned_at()));
  };
  const auto latest =
      std::max_element(places.begin(), places.end(), [&came](uint64_t a, uint64_t b) { return came(a) < came(b); });
  return *entries_.at(*latest).learned;
}

std::optional<uint64_t> Signatures::PlaceOf(const std::string& application, const std::string& model) const {
  const auto found = places_.find(application);
  if (found == places_.end()) return std::nullopt;
  for (const uint64_t place : found->second) {
    if (entries_.at(place).learned->signature().model_version() == model) return place;
  }
  return std::nullopt;
}

Signatures::Entry Signatures::Remove(uint64_t place) {
  Entry entry = std::move(entries_.extract(place).mapped());
  const auto places = places_.find(entry.learned->application());
  std::erase(places->second, place);
  if (places->second.empty()) places_.erase(places);
  return entry;
}

void Signatures::Append(Entry entry) {
  const std::string& application = entry.learned->application();
  const auto found = places_.find(application);
  if (found != places_.end() && found->second.size() >= kModelsPerApplication) {
    // Models that one host makes up don't drive out the one that all sign by, while that is in use.
    const absl::Time now = ToTime(entry.learned->last_learned_at());
    const auto counts = [&](uint64_t place) {
      const v1::ApplicationSignature& learned = *entries_.at(place).learned;
      return std::pair(IsInUse(learned, now), learned.host_count());
    };
    Remove(*std::min_element(found->second.begin(), found->second.end(),
                             [&counts](uint64_t a, uint64_t b) { return counts(a) < counts(b); }));
  }
  if (entries_.size() >= kMost) Remove(entries_.begin()->first);
  places_[application].push_back(next_place_);
  entries_.emplace(next_place_++, std::move(entry));
}

}  // namespace truce::controller
