// A demand model goes through bytes unharmed, and what is harmed is refused.
#include "models/forecast/demand_model_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/models/forecast/any_demand_model.h"

namespace truce {
namespace {

using testing::HasSubstr;

DemandModelContent Any() {
  return {"2026-11-26.1", "nothing", AnyDemandModel()};
}

// The same file with one thing changed, and a checksum that fits.
template <typename Change>
absl::Status AfterChange(const Change& change) {
  v1::DemandModelFile message;
  EXPECT_TRUE(UnwrapModel(SerializeDemandModel(Any()), "TRUCEDM1", "it", &message).ok());
  change(&message);
  return ParseDemandModel(WrapModel("TRUCEDM1", message), "it").status();
}

TEST(DemandModelFileTest, ComesBackAsItWas) {
  const auto back = ParseDemandModel(SerializeDemandModel(Any()), "it");
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->version, "2026-11-26.1");
  EXPECT_EQ(back->trained_on, "nothing");
  EXPECT_EQ(back->model.weights().out, Any().model.weights().out);
  EXPECT_EQ(back->model.weights().cell.hidden_gates, Any().model.weights().cell.hidden_gates);
}

TEST(DemandModelFileTest, EveryDamagedByteIsSeen) {
  const std::string bytes = SerializeDemandModel(Any());
  for (size_t i = 0; i < bytes.size(); i += 37) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_TRUE(absl::IsDataLoss(ParseDemandModel(damaged, "it").status())) << i;
    EXPECT_TRUE(absl::IsDataLoss(ParseDemandModel(bytes.substr(0, i), "it").status())) << i;
  }
}

TEST(DemandModelFileTest, OfAnotherVersionIsRefusedWithTheRemedy) {
  const auto format = AfterChange([](v1::DemandModelFile* file) { file->set_format(2); });
  EXPECT_TRUE(absl::IsFailedPrecondition(format));
  EXPECT_THAT(format.message(), HasSubstr("install the model of this version"));
  EXPECT_TRUE(absl::IsFailedPrecondition(AfterChange([](v1::DemandModelFile* file) { file->add_horizon_steps(24); })));
  EXPECT_TRUE(absl::IsFailedPrecondition(AfterChange([](v1::DemandModelFile* file) { file->set_input_count(3); })));
}

TEST(DemandModelFileTest, HostileContentIsRefused) {
  const auto cut = [](v1::DemandModelFile* file) { file->mutable_tensors(0)->mutable_values()->RemoveLast(); };
  EXPECT_TRUE(absl::IsDataLoss(AfterChange(cut)));
  const auto none = [](v1::DemandModelFile* file) { file->mutable_tensors()->DeleteSubrange(3, 1); };
  EXPECT_THAT(AfterChange(none).message(), HasSubstr("it has no hidden_gates"));
  const auto nan = [](v1::DemandModelFile* file) { file->mutable_tensors(2)->set_values(1, NAN); };
  EXPECT_TRUE(absl::IsDataLoss(AfterChange(nan)));
  const auto huge = [](v1::DemandModelFile* file) { file->mutable_tensors(2)->set_values(1, 1e30F); };
  EXPECT_TRUE(absl::IsDataLoss(AfterChange(huge)));
  const auto other = [](v1::DemandModelFile* file) {
    auto& out = *file->mutable_tensors(8);
    out.set_values(kDemandMedian, out.values(kDemandMedian) + 1);
  };
  EXPECT_TRUE(absl::IsInternal(AfterChange(other))) << "the self-test gives another result";
  EXPECT_TRUE(absl::IsDataLoss(AfterChange([](v1::DemandModelFile* file) { file->clear_self_test(); })));
  EXPECT_TRUE(absl::IsDataLoss(AfterChange([](v1::DemandModelFile* file) { file->clear_version(); })));
}

}  // namespace
}  // namespace truce
