// A core and agents that fetch what they are offered: a poor challenger that got past the judge is taken back by live
// errors, a good one goes to all, and another controller goes on where the first one stopped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>

#include "controller/plan/policy.h"
#include "controller/serve/core.h"
#include "models/weights/model_bytes.h"
#include "tests/controller/learn/rollout_fleet.h"
#include "tests/controller/serve/model_agent.h"

namespace truce::controller {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kOwn = RolloutFleet::kOwn;

class ModelsTest : public testing::Test {
 protected:
  ModelsTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "truce-core-models-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    Start();
    for (int i = 0; i < 6; ++i) {
      agents_.emplace_back(StrCat("web-", i), kOwn).Connect(core_.get());
    }
  }
  ~ModelsTest() override {
    core_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Start() {
    StoreOptions store_options;
    store_options.file = directory_ + "/controller.db";
    store_ = *Store::Open(store_options, clock_);
    CoreOptions options;
    options.initial_policy = DefaultPolicy();
    options.model_directory = directory_ + "/models";
    options.history = false;
    core_ = std::make_unique<ControllerCore>(std::move(options), clock_, *store_);
  }
  // Another controller on the same store, to which all agents connect.
  void Restart() {
    core_.reset();
    store_.reset();
    Start();
    for (ModelAgent& agent : agents_) agent.Connect(core_.get());
  }
  void Report(ModelAgent* agent) {
    v1::ConnectRequest request;
    v1::Report& report = *request.mutable_report();
    AddWorkload({"redis"}, &report);
    const double loss = loss_of_.contains(agent->in_use()) ? loss_of_[agent->in_use()] : 0.9;
    for (const int ahead : {30, 60}) {
      v1::ForecastErrors& errors = *report.add_forecast_errors();
      errors.set_model_sha256(agent->in_use());
      errors.set_application("cache");
      errors.set_resource(v1::RESOURCE_CPU);
      errors.mutable_ahead()->set_seconds(ahead);
      errors.set_count(200);
      errors.set_naive_loss_sum(200);
      // Minutes differ a little, the same for all.
      errors.set_loss_sum(200 * loss * (minute_ % 2 == 0 ? 1.02 : 0.98));
      errors.set_squared_gain_sum(std::max(100.0, 200 * (1 - loss) * (1 - loss) * 1.5));
    }
    agent->Send(request);
  }
  void Run(int minutes) {
    for (int i = 0; i < minutes; ++i) {
      ++minute_;
      clock_.Advance(absl::Minutes(1));
      for (ModelAgent& agent : agents_) Report(&agent);
      core_->Tick();
      for (ModelAgent& agent : agents_) agent.Follow();
    }
  }
  int Have(const std::string& sha256) {
    return static_cast<int>(std::count_if(agents_.begin(), agents_.end(),
                                          [&](const ModelAgent& agent) { return agent.in_use() == sha256; }));
  }
  int Offers() {
    int offers = 0;
    for (const ModelAgent& agent : agents_) offers += agent.offers();
    return offers;
  }
  std::string Told(const std::string& kind) {
    EXPECT_TRUE(store_->Flush().ok());
    std::string told;
    const auto events = store_->Events({.limit = 10000});
    for (const v1::Event& event : *events) {
      if (event.kind() == kind) StrAppend(&told, event.message(), "\n");
    }
    return told;
  }
  v1::ModelStatus Listed(const std::string& sha256) {
    const auto listed = core_->ListModels({});
    for (const auto& model : listed->models()) {
      if (model.sha256() == sha256) return model;
    }
    return {};
  }

  std::string directory_;
  FakeClock clock_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ControllerCore> core_;
  std::deque<ModelAgent> agents_;
  std::map<std::string, double> loss_of_;
  int minute_ = 0;
};

TEST_F(ModelsTest, APoorChallengerThatGotPastTheJudgeIsTakenBackByLiveErrors) {
  const std::string bytes = ModelBytes("poor");
  const std::string sha256 = FileSha256(bytes);
  loss_of_[sha256] = 1.5;
  Run(40);
  EXPECT_EQ(Offers(), 0);
  ASSERT_TRUE(core_->ProposeModel(v1::MODEL_KIND_DEMAND, bytes, "3 % better on yesterday").ok());
  Run(3);
  EXPECT_EQ(Have(sha256), 1) << "at least one host tries it";
  EXPECT_EQ(Listed(sha256).role(), v1::MODEL_ROLE_CHALLENGER);
  EXPECT_NEAR(Listed(sha256).loss_ratio(), 1.5, 0.05);
  EXPECT_THAT(RenderMetrics(core_->Metrics()),
              AllOf(HasSubstr("truce_controller_forecast_loss_ratio{model=\"" + sha256.substr(0, 12) +
                              "\",horizon=\"30s\",resource=\"cpu\"} 1.4"),
                    HasSubstr("truce_controller_application_forecast_loss_ratio{application=\"cache\"}"),
                    HasSubstr("truce_controller_model_hosts{model=\"" + sha256.substr(0, 12) + "\"} 1"),
                    HasSubstr("truce_controller_rollout_phase{phase=\"canary\"} 1")));
  Run(60);
  EXPECT_EQ(Have(kOwn), 6);
  EXPECT_THAT(Told("model_proposed"), HasSubstr("3 % better on yesterday"));
  EXPECT_THAT(Told("model_rolled_back"), AllOf(HasSubstr("poor"), HasSubstr("higher")));
  EXPECT_THAT(Told("model_promoted"), IsEmpty());
  EXPECT_EQ(Listed(sha256).role(), v1::MODEL_ROLE_ROLLED_BACK);
  Restart();
  EXPECT_EQ(core_->ProposeModel(v1::MODEL_KIND_DEMAND, bytes, "again").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(std::filesystem::is_empty(directory_ + "/models")) << "nothing is left of what nobody uses";
}

TEST_F(ModelsTest, AGoodOneGoesToAllAcrossARestartAndAnOperatorCanTakeItBack) {
  const std::string bytes = ModelBytes("good");
  const std::string sha256 = FileSha256(bytes);
  loss_of_[sha256] = 0.7;
  Run(40);
  ASSERT_TRUE(core_->ProposeModel(v1::MODEL_KIND_DEMAND, bytes, "9 % better on yesterday").ok());
  Run(30);
  EXPECT_EQ(Have(sha256), 1);
  const int offers = Offers();
  Restart();
  EXPECT_EQ(Offers(), offers) << "whoever has what it should have is offered nothing";
  Run(90);
  EXPECT_EQ(Have(sha256), 6) << Told("model_rolled_back");
  EXPECT_THAT(Told("model_promoted"), HasSubstr("goes to all hosts"));
  EXPECT_EQ(Listed(sha256).role(), v1::MODEL_ROLE_CHAMPION);
  EXPECT_EQ(Listed(sha256).host_count(), 6u);

  v1::RollBackModelRequest request;
  request.set_sha256(sha256.substr(0, 12));
  request.set_validate_only(true);
  ASSERT_TRUE(core_->RollBackModel(request, "operator alice").ok());
  Run(1);
  EXPECT_EQ(Have(sha256), 6) << "a question changes nothing";
  request.set_validate_only(false);
  const auto response = core_->RollBackModel(request, "operator alice");
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->model().sha256(), sha256);
  EXPECT_EQ(response->instead().sha256(), "");
  Run(1);
  EXPECT_EQ(Have(kOwn), 6);
  EXPECT_THAT(Told("model_rolled_back"), HasSubstr("operator alice asked for it"));
}

// A fleet that answers quickly must not fetch the more at once.
TEST_F(ModelsTest, HostsAreOfferedModelsWithTheTickOnly) {
  Run(20);
  ASSERT_TRUE(core_->ProposeModel(v1::MODEL_KIND_DEMAND, ModelBytes("good"), "better").ok());
  v1::ConnectRequest answer;
  answer.mutable_model_answer()->set_accepted(true);
  for (ModelAgent& agent : agents_) agent.Send(answer);
  EXPECT_EQ(Offers(), 0);
  core_->Tick();
  for (ModelAgent& agent : agents_) agent.Follow();
  EXPECT_EQ(Offers(), 1);
}

TEST_F(ModelsTest, AHostThatComesLaterGetsTheChampionAfterItsWelcome) {
  const std::string bytes = ModelBytes("good");
  loss_of_[FileSha256(bytes)] = 0.7;
  Run(40);
  ASSERT_TRUE(core_->ProposeModel(v1::MODEL_KIND_DEMAND, bytes, "better").ok());
  Run(120);
  ASSERT_EQ(Have(FileSha256(bytes)), 6);
  agents_.emplace_back("web-new", kOwn).Connect(core_.get());
  EXPECT_EQ(Have(FileSha256(bytes)), 7);
}

TEST_F(ModelsTest, NonsenseAboutModelsIsRefusedAndTheStreamGoesOn) {
  v1::ConnectRequest request;
  request.mutable_model_request()->set_sha256("../../x");
  core_->OnMessage(agents_[0].session(), request);
  request.mutable_model_answer()->set_reason(std::string(100'000, 'x'));
  core_->OnMessage(agents_[0].session(), request);
  const auto refused = core_->Metrics().counts.refused_by_reason;
  EXPECT_EQ(refused.at("out_of_range"), 1u);
  EXPECT_EQ(refused.at("long_string"), 1u);
  EXPECT_THAT(agents_[0].sink().messages, IsEmpty());
  Report(&agents_[0]);
  EXPECT_EQ(core_->Metrics().reports, 1u);
}

}  // namespace
}  // namespace truce::controller
