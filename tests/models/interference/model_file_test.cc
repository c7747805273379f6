#include "models/interference/model_file.h"

#include <gmock/gmock.h>
#include <openssl/evp.h>

#include <cmath>
#include <functional>

#include "tests/models/interference/made_up.h"
#include "truce/v1/model.pb.h"

namespace truce {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr size_t kHeader = 8 + 32;

ModelFile SomeFile() {
  Calibration calibration{0.9F, -0.1F};
  return {"2026-01-02",
          "a machine",
          {{{}, 0.9, 0.95},
           {{FeatureGroup::kCounters}, 0.8, 0.9},
           {{FeatureGroup::kCounters, FeatureGroup::kPressure}, 0.7, 0.8}},
          InterferenceModel(RandomWeights(11), calibration, AnythingGoes()),
          {{"gcc", "compiler", Row::LinSpaced(RandomWeights(11).fingerprint(), -1, 1)}}};
}

std::string SomeBytes() {
  return SerializeModel(SomeFile(), MadeUpMeetings(6, 1, 2).front());
}

// The same bytes with another content under a right checksum.
std::string With(const std::function<void(v1::InterferenceModelFile&)>& change) {
  const std::string bytes = SomeBytes();
  v1::InterferenceModelFile message;
  EXPECT_TRUE(message.ParseFromString(bytes.substr(kHeader)));
  change(message);
  const std::string payload = message.SerializeAsString();
  std::string digest(32, '\0');
  EVP_Digest(payload.data(), payload.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr, EVP_sha256(),
             nullptr);
  return bytes.substr(0, 8) + digest + payload;
}

std::string Problem(const std::string& bytes) {
  return std::string(ParseModel(bytes, "x.truce").status().message());
}

TEST(ModelFileTest, ComesBackAsItWas) {
  auto read = ParseModel(SomeBytes(), "x.truce");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->version, "2026-01-02");
  EXPECT_EQ(read->machine, "a machine");
  EXPECT_EQ(read->skills.size(), 3u);
  ASSERT_EQ(read->references.size(), 1u);
  EXPECT_EQ(read->references[0].name, "gcc");
  EXPECT_EQ(read->references[0].kind, "compiler");
  EXPECT_EQ(read->references[0].fingerprint, Row(Row::LinSpaced(RandomWeights(11).fingerprint(), -1, 1)));
  InterferenceModel before = SomeFile().model;
  for (const InterferenceExample& example : MadeUpMeetings(6, 10, 4)) {
    EXPECT_DOUBLE_EQ(read->model.Predict(example).probability, before.Predict(example).probability);
    EXPECT_DOUBLE_EQ(read->model.Predict(example).familiarity, before.Predict(example).familiarity);
  }
}

TEST(ModelFileTest, WhatNoSignatureCouldCarryIsRefused) {
  EXPECT_THAT(Problem(With([](v1::InterferenceModelFile& message) { message.clear_version(); })),
              HasSubstr("its version should have 1 to 128 bytes"));
  EXPECT_THAT(Problem(With([](v1::InterferenceModelFile& message) {
                for (int i = 0; i < 70; ++i) {
                  v1::ModelReference reference = message.references(0);
                  reference.set_kind("kind " + std::to_string(i));
                  *message.add_references() = reference;
                }
              })),
              HasSubstr("it knows 71 kinds"));
}

TEST(ModelFileTest, ACalibrationThatIsNoNumberIsRefused) {
  const auto refused = HasSubstr("its calibration is not made of sound numbers");
  EXPECT_THAT(Problem(With([](auto& message) { message.set_calibration_slope(NAN); })), refused);
  EXPECT_THAT(Problem(With([](auto& message) { message.set_calibration_intercept(INFINITY); })), refused);
  EXPECT_THAT(Problem(With([](auto& message) { message.set_interval_deviations(NAN); })), refused);
  EXPECT_THAT(Problem(With([](auto& message) { message.clear_interval_deviations(); })), refused);
}

TEST(ModelFileTest, OtherNumbersThatMakeNoSenseAreRefusedToo) {
  EXPECT_THAT(Problem(With([](auto& message) { message.mutable_skills(0)->set_accuracy_ratio(NAN); })),
              HasSubstr("right more than always"));
  EXPECT_THAT(Problem(With([](auto& message) { message.mutable_references(0)->set_fingerprint(0, NAN); })),
              HasSubstr("its reference gcc is not made of numbers"));
  EXPECT_THAT(Problem(With([](auto& message) { message.set_familiarity_distances(0, NAN); })),
              HasSubstr("its distances are not in order"));
  EXPECT_THAT(Problem(With([](auto& message) { message.set_familiarity_distances(0, 1e6F); })),
              HasSubstr("its distances are not in order"));
}

TEST(ModelFileTest, WhatCouldOverflowOrTakeForEverIsRefused) {
  EXPECT_THAT(Problem(With([](auto& message) {
                for (auto& tensor : *message.mutable_tensors()) {
                  if (tensor.name() == "familiarity_whiten") tensor.set_values(0, 3e38F);
                }
              })),
              HasSubstr("do not fit together"));
  EXPECT_THAT(Problem(With([](auto& message) { message.mutable_references(0)->set_fingerprint(0, 3e38F); })),
              HasSubstr("is not made of numbers"));
  EXPECT_THAT(Problem(With([](auto& message) { message.set_interval_deviations(1e30F); })),
              HasSubstr("its calibration"));
  EXPECT_THAT(Problem(With([](auto& message) { message.mutable_references(0)->set_kind(std::string(200, 'k')); })),
              HasSubstr("more than 128 bytes"));
  EXPECT_THAT(Problem(With([](auto& message) {
                for (int i = 0; i < 3000; ++i) {
                  const v1::ModelReference reference = message.references(0);
                  *message.add_references() = reference;
                }
              })),
              HasSubstr("3001 references"));
  EXPECT_THAT(Problem(With([](auto& message) {
                auto& inputs = *message.mutable_self_test()->mutable_inputs();
                inputs.Resize(static_cast<int>(2 * kModelInputs * 2000), 0);
              })),
              HasSubstr("2000 steps"));
  EXPECT_THAT(Problem(SomeBytes() + std::string(kMostModelBytes, '\0')), HasSubstr("at most 16777216"));
}

TEST(ModelFileTest, ItsDigestIsThatOfItsContent) {
  EXPECT_EQ(ModelDigest(SomeBytes()), ModelDigest(SomeBytes()));
  EXPECT_EQ(ModelDigest(SomeBytes()).size(), 64u);
  EXPECT_NE(ModelDigest(SomeBytes()), ModelDigest(SerializeModel(SomeFile(), MadeUpMeetings(6, 1, 3).front())));
}

TEST(ModelFileTest, AReferenceOfAnotherSizeIsDamage) {
  EXPECT_THAT(Problem(With([](v1::InterferenceModelFile& message) {
                message.mutable_references(0)->mutable_fingerprint()->RemoveLast();
              })),
              HasSubstr("its reference gcc has a fingerprint of another size"));
}

TEST(ModelFileTest, EveryDamagedByteIsFound) {
  const std::string good = SomeBytes();
  for (size_t at = 0; at < good.size(); at += at < 64 ? 1 : 97) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    EXPECT_TRUE(absl::IsDataLoss(ParseModel(bad, "x.truce").status())) << "byte " << at;
  }
}

TEST(ModelFileTest, EveryTruncationIsFound) {
  const std::string good = SomeBytes();
  for (size_t size = 0; size < good.size(); size += size < 64 ? 1 : 101) {
    EXPECT_TRUE(absl::IsDataLoss(ParseModel(good.substr(0, size), "x.truce").status())) << size;
  }
  EXPECT_THAT(Problem(""), AllOf(HasSubstr("x.truce"), HasSubstr("truce-lab train")));
}

TEST(ModelFileTest, AnotherVersionsModelIsRefused) {
  EXPECT_THAT(Problem(With([](auto& message) { message.set_format(99); })), HasSubstr("has format 99"));
  EXPECT_THAT(Problem(With([](auto& message) { message.set_features(3, "something else"); })),
              HasSubstr("trained on other features"));
  EXPECT_THAT(Problem(With([](auto& message) { message.mutable_features()->RemoveLast(); })),
              HasSubstr("trained on other features"));
}

TEST(ModelFileTest, MatricesThatDoNotFitAreRefused) {
  EXPECT_THAT(Problem(With([](auto& message) { message.mutable_tensors()->RemoveLast(); })), HasSubstr("it has no "));
  EXPECT_THAT(Problem(With([](auto& message) { message.mutable_tensors(0)->set_row_count(4000000000u); })),
              HasSubstr("another size than it says"));
  EXPECT_THAT(Problem(With([](auto& message) {
                v1::Tensor& tensor = *message.mutable_tensors(0);
                const uint32_t rows = tensor.row_count();
                tensor.set_row_count(tensor.column_count());
                tensor.set_column_count(rows);
              })),
              HasSubstr("do not fit together"));
  EXPECT_THAT(Problem(With([](auto& message) { message.mutable_tensors(0)->set_values(0, NAN); })),
              HasSubstr("do not fit together"));
}

TEST(ModelFileTest, AModelThatComputesSomethingElseFailsItsSelfTest) {
  const auto status =
      ParseModel(With([](auto& message) { message.mutable_tensors(0)->set_values(0, 9); }), "x.truce").status();
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("fails its self-test"));
  EXPECT_THAT(Problem(With([](auto& message) { message.clear_self_test(); })), HasSubstr("self-test is incomplete"));
}

TEST(AccuracyWithoutTest, TakesTheNearestCaseThatLacksAsMuch) {
  const std::vector<Skill> skills = SomeFile().skills;
  EXPECT_EQ(AccuracyWithout(skills, {}), 0.9);
  EXPECT_EQ(AccuracyWithout(skills, {FeatureGroup::kCounters}), 0.8);
  EXPECT_EQ(AccuracyWithout(skills, {FeatureGroup::kPressure}), 0.7);
  EXPECT_EQ(AccuracyWithout(skills, {FeatureGroup::kDisk}), 0) << "never measured";
}

}  // namespace
}  // namespace truce
