// trucectl get models and rollback model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/controller/cli/fixture.h"

namespace truce::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string kSha = "3f2a9c01b7de" + std::string(52, '0');

class ModelsCliTest : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    v1::ModelStatus* champion = controller_.models.add_models();
    champion->set_kind(v1::MODEL_KIND_DEMAND);
    champion->set_role(v1::MODEL_ROLE_CHAMPION);
    champion->set_host_count(19);
    v1::ModelStatus* challenger = controller_.models.add_models();
    challenger->set_kind(v1::MODEL_KIND_DEMAND);
    challenger->set_role(v1::MODEL_ROLE_CHALLENGER);
    challenger->set_sha256(kSha);
    challenger->set_version("2026-11-22.1");
    challenger->set_host_count(1);
    challenger->set_loss_ratio(0.9123);
    challenger->set_forecast_count(1234);
    challenger->set_why("4 % better on the last day");
    *challenger->mutable_since() = Ago(absl::Minutes(7));
  }
};

TEST_F(ModelsCliTest, ListsThemWithRoleHostsAndLiveError) {
  EXPECT_EQ(RunWith({"get", "models"}).out,
            "NAME          KIND    ROLE        HOSTS   LOSS  WHY                         AGE\n"
            "own           demand  champion       19      -  -                             -\n"
            "3f2a9c01b7de  demand  challenger      1  0.912  4 % better on the last day   7m\n");
  EXPECT_THAT(RunWith({"get", "models", "-o", "wide"}).out, AllOf(HasSubstr("2026-11-22.1"), HasSubstr("1234")));
  EXPECT_EQ(RunWith({"get", "models", "-o", "name"}).out, "3f2a9c01b7de\n") << "what each agent came with has no name";
}

TEST_F(ModelsCliTest, RollbackAsksAndSaysWhatComesInstead) {
  *controller_.rolled_back.mutable_model() = controller_.models.models(1);
  *controller_.rolled_back.mutable_instead() = controller_.models.models(0);
  const Result result = RunWith({"rollback", "model", "3f2a9c", "--reason", "off"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(controller_.rolled_back_request.sha256(), "3f2a9c");
  EXPECT_EQ(controller_.rolled_back_request.reason(), "off");
  EXPECT_FALSE(controller_.rolled_back_request.validate_only());
  EXPECT_EQ(result.out,
            "demand model 3f2a9c01b7de is taken back and never tried again; hosts go back to the one that each agent "
            "came with\n");
  EXPECT_THAT(RunWith({"rollback", "model", "3f2a9c", "--dry-run"}).out, HasSubstr("dry run, nothing was changed"));
  EXPECT_TRUE(controller_.rolled_back_request.validate_only());
  EXPECT_EQ(RunWith({"rollback", "model"}).code, 2);
  EXPECT_THAT(RunAlone({"completion", "bash"}).out,
              HasSubstr("_trucectl_dynamic[\"rollback model\"]=\"get models -o name\""));
}

}  // namespace
}  // namespace truce::cli
