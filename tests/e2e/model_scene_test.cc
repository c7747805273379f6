// A model comes and goes while the fleet runs: the real agent takes it up, scores and signs by it, and refuses a
// damaged one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "models/interference/model_file.h"
#include "tests/e2e/fixture_host.h"
#include "tests/e2e/fleet.h"
#include "tests/models/interference/made_up.h"
#include "truce/v1/operator.pb.h"

namespace truce::e2e {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string SomeModel(const std::string& version) {
  ModelFile file{
      version, "a machine", {{{}, 1, 1}}, InterferenceModel(RandomWeights(3), Calibration(), AnythingGoes())};
  for (size_t i = 0; i < kFeatureGroupCount; ++i) file.skills.back().missing.push_back(static_cast<FeatureGroup>(i));
  file.references.push_back({"gzip", "compression", file.model.Fingerprint(MadeUpSequence(1, 0))});
  return SerializeModel(file, MadeUpMeetings(6, 1, 2).front());
}

class ModelSceneTest : public testing::Test {
 protected:
  void SetUp() override {
    host_.StartTime();
    fleet_.StartController();
    fleet_.ConfigureAgent(host_.root());
    fleet_.StartAgent({"--set", "score.from=both", "--set", "model.file=" + fleet_.Path("model.truce")});
  }
  // Under another name first, as everybody should who replaces a file that is read.
  void Install(const std::string& bytes) {
    std::ofstream(fleet_.Path("new.truce"), std::ios::binary) << bytes;
    std::filesystem::rename(fleet_.Path("new.truce"), fleet_.Path("model.truce"));
  }
  bool Told(const std::string& kind, const std::string& words) {
    const auto events = fleet_.Get<v1::ListEventsResponse>({"get", "events"});
    return std::any_of(events.events().begin(), events.events().end(), [&](const v1::Event& event) {
      return event.kind() == kind && event.message().find(words) != std::string::npos;
    });
  }
  bool ScoredByModel() {
    const auto pairs = fleet_.Get<v1::ListPairsResponse>({"get", "pairs"});
    return std::any_of(pairs.pairs().begin(), pairs.pairs().end(), [](const v1::PairStatus& pair) {
      return pair.score().source() != v1::SCORE_SOURCE_EVIDENCE && pair.score().has_severity_high();
    });
  }

  FixtureHost host_{Layout::kHybrid};
  Fleet fleet_;
};

TEST_F(ModelSceneTest, IsTakenUpScoresAndSignsAndADamagedOneIsRefused) {
  EXPECT_TRUE(Eventually([this] { return Told("model_refused", "evidence goes on alone"); }));
  host_.LetAggressorRun(true);
  Install(SomeModel("first"));
  EXPECT_TRUE(Eventually([this] { return Told("model_taken_up", "first"); })) << fleet_.Ctl({"get", "events"}).output;
  EXPECT_TRUE(Eventually([this] { return ScoredByModel(); })) << fleet_.Ctl({"get", "pairs"}).output;

  const auto learned = [this] {
    const auto applications = fleet_.Get<v1::ListApplicationsResponse>({"get", "applications"});
    return std::any_of(applications.applications().begin(), applications.applications().end(),
                       [](const v1::ApplicationStatus& one) {
                         return one.learned().signature().model_version() == "first" && one.workload_count() > 0;
                       });
  };
  EXPECT_TRUE(Eventually(learned)) << fleet_.Ctl({"get", "applications"}).output;
  const auto applications = fleet_.Get<v1::ListApplicationsResponse>({"get", "applications"});
  for (const v1::ApplicationStatus& one : applications.applications()) {
    if (!one.has_learned()) continue;
    const Outcome description = fleet_.Ctl({"describe", "application", one.application()});
    EXPECT_EQ(description.exit_code, 0);
    EXPECT_THAT(description.output, AllOf(HasSubstr("compression"), HasSubstr("gzip"))) << one.application();
  }

  std::string damaged = SomeModel("second");
  damaged[damaged.size() / 2] ^= 1;
  Install(damaged);
  EXPECT_TRUE(Eventually([this] { return Told("model_refused", "checksum"); }));
  EXPECT_TRUE(ScoredByModel()) << "the one in use stays";
  EXPECT_EQ(fleet_.agent().Stop(), 0) << fleet_.AgentLog();
  EXPECT_EQ(fleet_.controller().Stop(), 0);
}

}  // namespace
}  // namespace truce::e2e
