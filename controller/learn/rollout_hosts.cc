// ModelRollout: which hosts try a challenger, and which have a champion.
#include <algorithm>
#include <cmath>
#include <utility>

#include "controller/learn/rollout.h"
#include "controller/learn/rollout_words.h"
#include "models/weights/model_bytes.h"
#include "src/base/text.h"

namespace truce::controller {

std::set<std::string> ModelRollout::ChooseCanary(std::string_view sha256) const {
  std::vector<std::pair<std::string, std::string>> ranked;
  for (const auto& [host, state] : hosts_) {
    if (state.Takes()) ranked.emplace_back(FileSha256(StrCat(host, "\n", sha256)), host);
  }
  if (ranked.empty()) return {};
  const double share = std::ceil(options_.canary_ratio * static_cast<double>(ranked.size()));
  const size_t count = std::clamp<size_t>(static_cast<size_t>(share), 1, ranked.size());
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(count), ranked.end());
  std::set<std::string> chosen;
  for (size_t i = 0; i < count; ++i) chosen.insert(std::move(ranked[i].second));
  return chosen;
}

bool ModelRollout::CanBeJudged(const std::set<std::string>& canary) const {
  LossSeries before = trial_before_;
  for (const auto& [host, state] : hosts_) {
    if (!state.connected || !state.knows) continue;
    if (!canary.contains(host)) return true;
    before.Add(state.champion);
  }
  return before.size() >= kLeastSpans;
}

bool ModelRollout::WasTried() const {
  return !trial_now_.empty() || std::any_of(canary_.begin(), canary_.end(), [this](const std::string& host) {
    const auto found = hosts_.find(host);
    return found != hosts_.end() && found->second.took_up_at != absl::InfinitePast();
  });
}

void ModelRollout::LookForLost() {
  for (const std::string& host : canary_) {
    const Host& state = hosts_[host];
    if (now_ - state.lost_at < kAwayLimit) continue;
    TakeBack(StrCat("the agent of host ", host, " went away ",
                    absl::FormatDuration(absl::Trunc(state.lost_at - state.took_up_at, absl::Seconds(1))),
                    " after taking it up and did not come back"));
    return;
  }
}

void ModelRollout::ReplaceAway() {
  // Once somebody tries it, what the canary and the others had before can't be told apart anew, and the trial goes on
  // with those.
  if (replacements_ >= kMostReplacements || WasTried()) return;
  std::set<std::string> hosts = canary_;
  std::erase_if(hosts, [this](const std::string& host) { return now_ - hosts_[host].away_since >= kAwayLimit; });
  const size_t away = canary_.size() - hosts.size();
  if (away == 0) return;
  const std::set<std::string> chosen = ChooseCanary(challenger_->sha256());
  for (const std::string& host : chosen) {
    if (hosts.size() < chosen.size()) hosts.insert(host);
  }
  // They may come back, and nobody else is there.
  if (hosts.empty() || !CanBeJudged(hosts)) return;
  ++replacements_;
  canary_ = std::move(hosts);
  BeginTrial();
  Tell("", "model_canary",
       StrCat(away, away == 1 ? " host went" : " hosts went", " away before trying ", SayModel(*challenger_), "; ",
              canary_.size(), canary_.size() == 1 ? " host tries" : " hosts try", " it instead"));
}

ModelRollout::Spread ModelRollout::SpreadOfChampion() const {
  Spread spread;
  for (const auto& [_, state] : hosts_) {
    if (!state.Takes()) continue;
    ++spread.all;
    if (state.in_use == champion_.sha256()) {
      ++spread.have;
    } else if (state.refused == champion_.sha256()) {
      ++spread.refuse;
    }
  }
  return spread;
}

}  // namespace truce::controller
