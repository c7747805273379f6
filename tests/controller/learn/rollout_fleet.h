// A fleet in a test's head: hosts that do what a rollout offers them and report live errors that a test decides on.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "controller/fleet/moment.h"
#include "controller/learn/rollout.h"
#include "models/forecast/demand_model_file.h"
#include "models/weights/model_bytes.h"
#include "src/base/text.h"

namespace truce::controller {

// The model that comes with Truce under another version: other bytes, other name, and a sound model.
inline std::string ModelBytes(const std::string& version) {
  static const std::string* const kShipped = [] {
    std::ifstream file(std::string(TRUCE_SOURCE_DIR) + "/models/pretrained/demand.truce", std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    return new std::string(content.str());
  }();
  auto content = ParseDemandModel(*kShipped, "demand.truce");
  EXPECT_TRUE(content.ok()) << content.status();
  content->version = version;
  return SerializeDemandModel(*content);
}

class RolloutFleet {
 public:
  explicit RolloutFleet(int hosts, RolloutOptions options = {}) : options_(options) {
    std::string pattern = (std::filesystem::temp_directory_path() / "truce-rollout-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    library_ = std::make_unique<ModelLibrary>(directory_ + "/models");
    rollout_ = std::make_unique<ModelRollout>(options_, *library_);
    for (int i = 0; i < hosts; ++i) {
      in_use_[StrCat("host-", i)] = kOwn;
      Hello(StrCat("host-", i));
    }
  }
  ~RolloutFleet() { std::filesystem::remove_all(directory_); }
  RolloutFleet(const RolloutFleet&) = delete;
  RolloutFleet& operator=(const RolloutFleet&) = delete;

  ModelRollout& rollout() { return *rollout_; }
  const ModelLibrary& library() const { return *library_; }
  // The wall clock is ahead by `ahead`.
  Moment now() const { return {now_ + ahead, absl::Hours(1) + (now_ - kStart)}; }
  Moment In(absl::Duration after) const { return {now().wall + after, now().monotonic + after}; }
  absl::Duration ahead;
  const std::string& InUse(const std::string& host) { return in_use_.at(host); }

  // Loss over the last value's, of a model on a host; 0.9 when not set.
  std::map<std::string, double> loss_of;
  // Hosts are harder or easier than others by up to so much, and spans swing by so much.
  double host_spread = 0.1;
  double noise = 0.05;
  int forecasts_per_minute = 100;
  std::vector<RolloutNews> news;

  void Hello(const std::string& host) {
    google::protobuf::RepeatedPtrField<v1::ModelInUse> models;
    v1::ModelInUse& model = *models.Add();
    model.set_kind(v1::MODEL_KIND_DEMAND);
    model.set_sha256(in_use_[host]);
    model.set_sent(in_use_[host] != kOwn);
    rollout_->OnHello(host, models, now());
  }
  void Answer(const std::string& host, const std::string& sha256, bool accepted, const std::string& reason = "",
              bool unwilling = false) {
    v1::ModelAnswer answer;
    answer.set_sha256(sha256);
    answer.set_accepted(accepted);
    answer.set_reason(reason);
    answer.set_unwilling(unwilling);
    if (accepted) in_use_[host] = sha256.empty() ? kOwn : sha256;
    rollout_->OnAnswer(host, answer, now());
  }
  // Every host does what it is offered.
  void TakeOffers() {
    for (const auto& [host, _] : std::map(in_use_)) {
      if (away.contains(host)) continue;
      if (const auto offer = rollout_->OfferFor(host)) Answer(host, offer->sha256(), true);
    }
  }
  void ReportErrors() {
    for (const auto& [host, model] : in_use_) {
      if (away.contains(host)) continue;
      const double harder = 1 + host_spread * (static_cast<double>(std::hash<std::string>()(host) % 1000) / 500 - 1);
      const double loss = (loss_of.contains(model) ? loss_of[model] : 0.9) * harder;
      std::normal_distribution<double> swing(1, noise);
      v1::ForecastErrors errors;
      errors.set_model_sha256(model);
      errors.set_application("cache");
      errors.set_resource(v1::RESOURCE_CPU);
      const double naive = forecasts_per_minute * swing(random_);
      errors.set_count(static_cast<uint64_t>(forecasts_per_minute));
      errors.set_naive_loss_sum(naive);
      errors.set_loss_sum(std::max(0.0, naive * loss * swing(random_)));
      errors.set_squared_gain_sum(forecasts_per_minute * 0.5);
      rollout_->Observe(host, errors, now());
    }
  }
  // So many minutes, each with offers, reports and judgement.
  void Run(int minutes) {
    for (int i = 0; i < minutes; ++i) {
      now_ += absl::Minutes(1);
      TakeOffers();
      ReportErrors();
      rollout_->Tick(now());
      for (auto& one : rollout_->TakeNews()) news.push_back(std::move(one));
      if (each_minute) each_minute();
    }
  }
  // Another controller takes over what this one stored; the hosts connect to it.
  void Restart() {
    const v1::RolloutState state = rollout_->State();
    rollout_ = std::make_unique<ModelRollout>(options_, *library_);
    rollout_->Restore(state, now());
    for (const auto& [host, _] : in_use_) {
      if (!away.contains(host)) Hello(host);
    }
  }
  absl::Status Propose(const std::string& bytes) {
    const absl::Status status =
        rollout_->Propose(v1::MODEL_KIND_DEMAND, bytes, "4 % better on the last day (p 0.001)", now());
    for (auto& one : rollout_->TakeNews()) news.push_back(std::move(one));
    return status;
  }
  std::string Told(const std::string& kind) const {
    std::string told;
    for (const auto& one : news) {
      if (one.kind == kind) StrAppend(&told, one.message, "\n");
    }
    return told;
  }
  int Count(v1::ModelRole role) const {
    int count = 0;
    for (const auto& one : rollout_->List()) count += one.role() == role ? 1 : 0;
    return count;
  }

  // The host's agent is lost, and says and does nothing more.
  void Lose(const std::string& host) {
    away.insert(host);
    rollout_->OnLost(host, now());
  }
  std::set<std::string> away;
  std::function<void()> each_minute;
  static inline const std::string kOwn = std::string(64, 'a');

 private:
  const RolloutOptions options_;
  std::string directory_;
  std::unique_ptr<ModelLibrary> library_;
  std::unique_ptr<ModelRollout> rollout_;
  static inline const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);
  absl::Time now_ = kStart;
  std::map<std::string, std::string> in_use_;
  std::mt19937_64 random_{7};
};

}  // namespace truce::controller
