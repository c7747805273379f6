#include "models/interference/signature.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>

#include "tests/models/interference/made_up.h"

namespace truce {
namespace {

using testing::DoubleNear;
using testing::IsEmpty;
using testing::SizeIs;

const std::map<std::string, InputSequence>& Programs() {
  static const auto* const programs = new std::map<std::string, InputSequence>{
      {"gcc", MadeUpSequence(1, 0.1)}, {"gzip", MadeUpSequence(0.9, 0)}, {"xz", MadeUpSequence(2, 0)}};
  return *programs;
}

ModelFile SomeFile() {
  ModelFile file{"one", "a machine", {}, InterferenceModel(RandomWeights(17), Calibration(), AnythingGoes())};
  for (const auto& [name, sequence] : Programs()) {
    file.references.push_back({name, name == "gcc" ? "compiler" : "compression", file.model.Fingerprint(sequence)});
  }
  return file;
}

InterferencePrediction Expected(const InputSequence& victim, const InputSequence& aggressor, PairContext context) {
  InterferenceExample example;
  example.victim = victim;
  example.aggressors = {aggressor};
  example.contexts = {context};
  return SomeFile().model.Predict(example);
}

class SignatureTest : public testing::Test {
 protected:
  const InputSequence workload_ = MadeUpSequence(1.4, 0.3);
  ModelFile file_ = SomeFile();
  const v1::Signature signature_ = SignatureMaker(file_).Make(file_.model.Fingerprint(workload_));
};

TEST_F(SignatureTest, SaysByKindWhatTheModelSaysOfEachPair) {
  ASSERT_THAT(signature_.kinds(), SizeIs(2));
  const v1::KindEffect& compiler = signature_.kinds(0);
  EXPECT_EQ(compiler.kind(), "compiler");
  const InputSequence& gcc = Programs().at("gcc");
  const PairContext same{1, 1, 0, 1, 1};
  const PairContext own{0, 0, 0, 1, 1};
  const auto slowdown = [](const InterferencePrediction& one) { return std::expm1(one.log_slowdown); };
  EXPECT_THAT(compiler.hurts_on_same_cpus_ratio(), DoubleNear(slowdown(Expected(gcc, workload_, same)), 1e-5));
  EXPECT_THAT(compiler.hurts_on_own_cpus_ratio(), DoubleNear(slowdown(Expected(gcc, workload_, own)), 1e-5));
  EXPECT_THAT(compiler.suffers_on_same_cpus_ratio(), DoubleNear(slowdown(Expected(workload_, gcc, same)), 1e-5));
  EXPECT_THAT(compiler.suffers_on_own_cpus_ratio(), DoubleNear(slowdown(Expected(workload_, gcc, own)), 1e-5));
  const double gzip = slowdown(Expected(Programs().at("gzip"), workload_, same));
  const double xz = slowdown(Expected(Programs().at("xz"), workload_, same));
  EXPECT_EQ(signature_.kinds(1).kind(), "compression");
  EXPECT_THAT(signature_.kinds(1).hurts_on_same_cpus_ratio(), DoubleNear((gzip + xz) / 2, 1e-5));
}

TEST_F(SignatureTest, SaysByWhichResource) {
  ASSERT_THAT(signature_.resources(), SizeIs(kResourceCount));
  for (size_t r = 0; r < kResourceCount; ++r) {
    double hurts = 0;
    double suffers = 0;
    for (const auto& [name, sequence] : Programs()) {
      // Every kind counts the same: the one compiler, and the two that compress.
      const double share = name == "gcc" ? 0.5 : 0.25;
      hurts += share * Expected(sequence, workload_, {1, 1, 0, 1, 1}).by_resource[r];
      suffers += share * Expected(workload_, sequence, {1, 1, 0, 1, 1}).by_resource[r];
    }
    const v1::ResourceEffect& effect = signature_.resources(static_cast<int>(r));
    EXPECT_EQ(effect.resource(), v1::RESOURCE_CPU + static_cast<int>(r));
    EXPECT_THAT(effect.hurts_ratio(), DoubleNear(hurts, 1e-5));
    EXPECT_THAT(effect.suffers_ratio(), DoubleNear(suffers, 1e-5));
  }
}

TEST_F(SignatureTest, SaysWhatIsUsualBetweenTheProgramsItKnows) {
  for (size_t r = 0; r < kResourceCount; ++r) {
    double usual = 0;
    for (const auto& [victim, sequence] : Programs()) {
      for (const auto& [aggressor, other] : Programs()) {
        const double share = (victim == "gcc" ? 0.5 : 0.25) * (aggressor == "gcc" ? 0.5 : 0.25);
        usual += share * Expected(sequence, other, {1, 1, 0, 1, 1}).by_resource[r];
      }
    }
    EXPECT_THAT(signature_.resources(static_cast<int>(r)).usual_ratio(), DoubleNear(usual, 1e-5));
  }
}

TEST_F(SignatureTest, KnowsWhomItIsLike) {
  const v1::Signature xz = SignatureMaker(file_).Make(file_.model.Fingerprint(Programs().at("xz")));
  ASSERT_THAT(xz.resembles(), SizeIs(3));
  EXPECT_EQ(xz.resembles(0).name(), "xz");
  EXPECT_THAT(xz.resembles(0).similarity(), DoubleNear(1, 1e-6));
  EXPECT_LT(xz.resembles(1).similarity(), 1);
  EXPECT_GE(xz.resembles(1).similarity(), xz.resembles(2).similarity());
}

TEST_F(SignatureTest, AModelWithoutReferencesGivesAnEmbeddingOnly) {
  file_.references.clear();
  const v1::Signature bare = SignatureMaker(file_).Make(file_.model.Fingerprint(workload_));
  EXPECT_THAT(bare.embedding(), SizeIs(file_.model.fingerprint()));
  EXPECT_THAT(bare.kinds(), IsEmpty());
  EXPECT_THAT(bare.resembles(), IsEmpty());
}

}  // namespace
}  // namespace truce
