// A leader's inputs make a follower's forecasts better, come only from the past, and cost others nothing.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "models/forecast/demand_forecaster.h"
#include "models/forecast/leaders.h"
#include "models/training/demand_pieces.h"
#include "models/training/demand_trainer.h"
#include "tests/models/forecast/encoders.h"

namespace truce {
namespace {

constexpr size_t kLag = 3;

struct EncoderHost {
  explicit EncoderHost(size_t count, unsigned seed)
      : encoder(Jobs(count, 0.04, 8, 0.05, seed)), storage(Follow(encoder, kLag, 30 + seed % 50, 0, 0.1, seed + 1)) {}
  std::vector<double> encoder;
  std::vector<double> storage;
};

DemandTrainingOptions Small() {
  DemandTrainingOptions options;
  options.epochs = 12;
  options.batch = 8;
  options.learning_rate = 1e-2;
  options.projected = 12;
  options.hidden = 16;
  options.width = 24;
  options.piece = 96;
  return options;
}

// Series of all hosts, marked as such or not.
std::vector<DemandSeries> SeriesOf(const std::vector<EncoderHost>& hosts, bool marked) {
  std::vector<DemandSeries> series;
  for (size_t i = 0; i < hosts.size(); ++i) {
    const uint64_t host = marked ? i + 1 : 0;
    series.push_back({hosts[i].encoder, 0, host});
    series.push_back({hosts[i].storage, 0, host});
  }
  return series;
}

DemandPieces Pieces(const std::vector<DemandSeries>& series) {
  OneProcess alone;
  return *CutIntoPieces(series, Small(), alone);
}

struct Errors {
  double encoder = 0;
  // At each step up to the lag.
  std::vector<double> storage = std::vector<double>(kLag, 0);
};

// Of medians, from step 600 on; the storage's of every step up to the lag, the encoder's one step ahead.
Errors ErrorsOn(const EncoderHost& host, const DemandModel& model, bool led) {
  const auto shared = std::make_shared<const DemandModel>(model);
  const auto encoder = NewDemandForecaster(shared, 0);
  const auto storage = NewDemandForecaster(shared, 0);
  EXPECT_TRUE(encoder->Fit({host.encoder[0]}).ok());
  EXPECT_TRUE(storage->Fit({host.storage[0]}).ok());
  LeaderFinder finder;
  finder.Observe({{1, host.encoder[0]}, {2, host.storage[0]}});
  Errors errors;
  for (size_t i = 1; i + kLag < host.encoder.size(); ++i) {
    finder.Observe({{1, host.encoder[i]}, {2, host.storage[i]}});
    encoder->ObserveLed(host.encoder[i], led ? finder.PushOn(1) : LeaderPush{});
    storage->ObserveLed(host.storage[i], led ? finder.PushOn(2) : LeaderPush{});
    if (i < 600) continue;
    errors.encoder += std::abs(encoder->Predict(1, {0.5})->Value(0, 0) - host.encoder[i + 1]);
    const auto forecast = storage->Predict(kLag, {0.5});
    for (size_t step = 0; step < kLag; ++step) {
      errors.storage[step] += std::abs(forecast->Value(step, 0) - host.storage[i + 1 + step]);
    }
  }
  return errors;
}

TEST(LeadersInTrainingTest, AFollowersErrorDropsAndTheLeadersStays) {
  std::vector<EncoderHost> hosts;
  for (unsigned seed = 1; seed <= 16; ++seed) hosts.emplace_back(960, 10 * seed);
  const auto report = [](const DemandEpoch&) { return true; };
  const auto with = TrainDemand(SeriesOf(hosts, true), Small(), report);
  const auto without = TrainDemand(SeriesOf(hosts, false), Small(), report);
  ASSERT_TRUE(with.ok() && without.ok());
  const EncoderHost fresh(1800, 999);
  const Errors led = ErrorsOn(fresh, *with, true);
  const Errors alone = ErrorsOn(fresh, *without, false);
  for (size_t step = 0; step < kLag; ++step) {
    RecordProperty("share_of_error_at_" + std::to_string(step + 1),
                   std::to_string(led.storage[step] / alone.storage[step]));
    EXPECT_LT(led.storage[step], 0.8 * alone.storage[step]) << step + 1 << " steps ahead";
  }
  EXPECT_LT(led.storage.back(), 0.5 * alone.storage.back()) << "as far ahead as the leader is, all of it is known";
  EXPECT_LT(led.encoder, 1.1 * alone.encoder) << "what has no leader is forecast as well as before";
}

TEST(LeadersInTrainingTest, SeriesOfOneHostThatHaveNothingToDoWithEachOtherAreLearnedFromAsIfAlone) {
  std::vector<std::vector<double>> values;
  for (unsigned seed = 1; seed <= 4; ++seed) values.push_back(Jobs(960, 0.04, 8, 0.05, seed));
  std::vector<DemandSeries> marked, alone;
  for (const auto& one : values) {
    marked.push_back({one, 0, 7});
    alone.push_back({one, 0});
  }
  EXPECT_EQ(Pieces(marked).inputs, Pieces(alone).inputs);
}

TEST(LeadersInTrainingTest, LeadersAreKnownFromWhatCameBefore) {
  EncoderHost host(960, 5);
  const DemandPieces all = Pieces(SeriesOf({host}, true));
  EncoderHost other = host;
  const EncoderHost later(960, 77);
  constexpr size_t kSame = 700;
  std::copy(later.encoder.begin() + kSame, later.encoder.end(), other.encoder.begin() + kSame);
  std::copy(later.storage.begin() + kSame, later.storage.end(), other.storage.begin() + kSame);
  const DemandPieces changed = Pieces(SeriesOf({other}, true));
  ASSERT_EQ(all.inputs.size(), 2 * 960U);
  size_t led = 0;
  for (size_t s = 0; s < 2; ++s) {
    for (size_t i = 0; i < kSame; ++i) {
      EXPECT_EQ(all.inputs[s * 960 + i], changed.inputs[s * 960 + i]) << s << ", " << i;
      led += all.inputs[s * 960 + i].back() > 0 ? 1 : 0;
    }
  }
  EXPECT_GT(led, 200U) << "a leader was there";
  EXPECT_LT(led, kSame) << "of one of them, and not from the start";
}

}  // namespace
}  // namespace truce
