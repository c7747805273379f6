// The model that comes with Truce: agents take it, it says what it is, and it knows right from wrong in the plainest
// cases.
#include <gmock/gmock.h>

#include "models/interference/model_file.h"
#include "src/host/file.h"
#include "tests/models/interference/made_up.h"

namespace truce {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

const std::string kFile = TRUCE_SOURCE_DIR "/models/pretrained/interference.truce";

absl::StatusOr<ModelFile> Pretrained() {
  auto bytes = host::ReadFile(kFile);
  if (!bytes.ok()) return bytes.status();
  return ParseModel(*bytes, kFile);
}

// Two who never rest and are not alike in anything else that is known.
double Score(PairContext shares) {
  InterferenceExample example;
  example.victim = MadeUpSequence(1, 0.01, 20);
  example.aggressors = {MadeUpSequence(1, 0.01, 20)};
  example.contexts = {shares};
  auto file = Pretrained();
  return file.ok() ? file->model.Predict(example).probability : -1;
}

TEST(PretrainedTest, PassesItsSelfTestAndKnowsPrograms) {
  const auto file = Pretrained();
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_FALSE(file->version.empty());
  EXPECT_FALSE(file->machine.empty());
  EXPECT_THAT(file->references, SizeIs(testing::Ge(24u)));
  EXPECT_FALSE(file->model.familiarity().distances.empty());
  const auto card = host::ReadFile(TRUCE_SOURCE_DIR "/models/pretrained/interference.md");
  ASSERT_TRUE(card.ok()) << card.status();
  EXPECT_THAT(*card, HasSubstr("# Interference model " + file->version));
}

TEST(PretrainedTest, TwoOnOneCpuHurtEachOtherMoreThanTwoOnTheirOwn) {
  const double same = Score({1, 1, 0, 1, 1});
  const double own = Score({0, 0, 0, 1, 1});
  EXPECT_GT(same, 0.6);
  EXPECT_GE(own, 0);
  EXPECT_LT(own, same - 0.2);
}

}  // namespace
}  // namespace truce
