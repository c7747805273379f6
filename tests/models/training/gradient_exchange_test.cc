// Processes of a group add up what they have, find out who is missing or does not belong, and share pieces of series.
#include "models/training/gradient_exchange.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "models/training/demand_pieces.h"
#include "models/training/gloo_exchange.h"
#include "models/training/made_up_demand.h"

namespace truce {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// What one process of a group does.
using Part = std::function<absl::Status(GlooExchange&)>;

// Runs a group of threads, each as a process of its own would be; what each ended with.
std::vector<absl::Status> RunGroup(
    int processes, const Part& part, const std::function<void(GlooOptions*)>& change = [](GlooOptions*) {}) {
  std::promise<uint16_t> listening;
  const std::shared_future<uint16_t> port = listening.get_future().share();
  std::vector<absl::Status> ended(static_cast<size_t>(processes));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < processes; ++rank) {
    threads.emplace_back([&, rank] {
      GlooOptions options;
      options.rank = rank;
      options.processes = processes;
      if (rank > 0) options.port = port.get();
      if (rank == 0) {
        options.listening = [&](uint16_t at) {
          listening.set_value(at);
          return absl::OkStatus();
        };
      }
      change(&options);
      auto exchange = GlooExchange::Join(options);
      absl::Status& status = ended[static_cast<size_t>(rank)];
      status = exchange.ok() ? part(**exchange) : exchange.status();
      if (exchange.ok()) (*exchange)->Leave(status);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return ended;
}

TEST(GradientExchangeTest, EveryProcessGetsTheSum) {
  const auto ended = RunGroup(3, [](GlooExchange& exchange) {
    EXPECT_EQ(exchange.processes(), 3);
    std::vector<float> few = {1, static_cast<float>(exchange.rank())};
    std::vector<double> many(10'000, std::ldexp(1.0, 40 + exchange.rank()));
    EXPECT_TRUE(exchange.Sum(absl::MakeSpan(few)).ok());
    EXPECT_EQ(few, (std::vector<float>{3, 3}));
    EXPECT_TRUE(exchange.Sum(absl::MakeSpan(many)).ok());
    EXPECT_EQ(many, std::vector<double>(10'000, 7 * std::ldexp(1.0, 40)));
    return CheckSame("numbers", {1.5, 2}, exchange);
  });
  for (const absl::Status& status : ended) EXPECT_TRUE(status.ok()) << status;
}

TEST(GradientExchangeTest, WhoDiffersIsNamedEverywhere) {
  const auto ended = RunGroup(3, [](GlooExchange& exchange) {
    return CheckSame("options", {1, exchange.rank() == 2 ? 5.0 : 2.0}, exchange);
  });
  for (const absl::Status& status : ended) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("process 2 has other options"));
  }
}

TEST(GradientExchangeTest, TheOthersEndWithTheErrorOfOne) {
  const auto ended = RunGroup(3, [](GlooExchange& exchange) -> absl::Status {
    if (exchange.rank() == 1) return absl::NotFoundError("there is no history");
    double one = 1;
    return exchange.Sum(absl::MakeSpan(&one, 1));
  });
  EXPECT_TRUE(absl::IsNotFound(ended[1]));
  for (const size_t rank : {0, 2}) {
    EXPECT_TRUE(absl::IsUnavailable(ended[rank])) << ended[rank];
    EXPECT_THAT(std::string(ended[rank].message()), HasSubstr("process 1 ended: there is no history"));
  }
}

TEST(GradientExchangeTest, WhoDoesNotComeIsNamed) {
  GlooOptions options;
  options.processes = 2;
  options.patience = absl::Milliseconds(300);
  const auto exchange = GlooExchange::Join(options);
  EXPECT_TRUE(absl::IsUnavailable(exchange.status()));
  EXPECT_THAT(std::string(exchange.status().message()), HasSubstr("process 1 of 2 did not come"));
  options.waiting = [] { return absl::CancelledError("enough"); };
  EXPECT_EQ(GlooExchange::Join(options).status(), absl::CancelledError("enough"));
}

TEST(GradientExchangeTest, ANameThatNobodyKnowsIsNoMatterOfPorts) {
  GlooOptions options;
  options.processes = 2;
  options.host = std::string(64, 'x');  // labels have at most 63, so nobody is asked
  options.port = 29500;
  options.patience = absl::Seconds(1);
  for (const int rank : {0, 1}) {
    options.rank = rank;
    const absl::Status status = GlooExchange::Join(options).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("no machine is known as " + options.host), Not(HasSubstr("port"))));
  }
}

TEST(GradientExchangeTest, OneThatHangsButBeatsIsNotWaitedForForever) {
  absl::Notification left;
  absl::Status why_it_left;
  std::vector<int> waited_for;
  const auto part = [&](GlooExchange& exchange) {
    if (exchange.rank() == 1) {
      EXPECT_TRUE(left.WaitForNotificationWithTimeout(absl::Minutes(1))) << "process 0 waits for this one";
      return absl::OkStatus();
    }
    double one = 1;
    const absl::Status status = exchange.Sum(absl::MakeSpan(&one, 1));
    exchange.Leave(status);
    left.Notify();
    return status;
  };
  const auto ended = RunGroup(2, part, [&](GlooOptions* options) {
    options->patience = absl::Seconds(2);
    options->staying = [&](const absl::Status& why, const std::vector<int>& others) {
      why_it_left = why;
      waited_for = others;
    };
  });
  EXPECT_TRUE(absl::IsUnavailable(ended[0])) << ended[0];
  EXPECT_EQ(why_it_left, ended[0]) << "it is told before it is waited for";
  EXPECT_THAT(waited_for, testing::ElementsAre(1));
}

TEST(GradientExchangeTest, NobodyCountsOtherwiseOrTakesARankTwice) {
  const auto nothing = [](GlooExchange&) { return absl::OkStatus(); };
  const auto counts = RunGroup(2, nothing, [](GlooOptions* options) {
    if (options->rank == 1) options->processes = 3;
    options->patience = absl::Seconds(1);
  });
  EXPECT_TRUE(absl::IsInvalidArgument(counts[1])) << counts[1];
  EXPECT_THAT(std::string(counts[1].message()), HasSubstr("one of 3, and process 0 one of 2"));
  EXPECT_THAT(std::string(counts[0].message()), HasSubstr("process 1 of 2 did not come"));
  const auto ranks = RunGroup(3, nothing, [](GlooOptions* options) {
    if (options->rank == 2) options->rank = 1;
    options->patience = absl::Seconds(1);
  });
  EXPECT_TRUE(absl::IsInvalidArgument(ranks[1]) != absl::IsInvalidArgument(ranks[2])) << ranks[1] << ranks[2];
  EXPECT_THAT(std::string(ranks[0].message()), HasSubstr("process 2 of 3 did not come"));
}

DemandTrainingOptions Few() {
  DemandTrainingOptions options;
  options.piece = 96;
  options.most_values = 5'000;
  options.held_out_ratio = 0.3;
  return options;
}

TEST(GradientExchangeTest, PiecesAreTheSameHoweverSeriesAreShared) {
  const std::vector<MadeUpDemand> made = MakeUpDemand(17, 600, 3);
  std::vector<DemandSeries> series;
  for (const MadeUpDemand& one : made) series.push_back({one.values, one.season_steps});
  OneProcess alone;
  const auto all = CutIntoPieces(series, Few(), alone);
  ASSERT_TRUE(all.ok());
  ASSERT_FALSE(all->held_out.empty());
  EXPECT_LT(all->count(), 17U * 7) << "of more than are wanted, some are drawn";
  std::vector<int> held(all->rows.size());
  std::mutex mutex;
  const auto ended = RunGroup(3, [&](GlooExchange& exchange) {
    std::vector<DemandSeries> own = series;
    // Process 2 has nothing at all.
    for (size_t i = 0; i < own.size(); ++i) {
      if (static_cast<int>(i % 2) != exchange.rank()) own[i].values = {};
    }
    const auto pieces = CutIntoPieces(own, Few(), exchange);
    if (!pieces.ok()) return pieces.status();
    EXPECT_EQ(pieces->learned, all->learned);
    EXPECT_EQ(pieces->held_out, all->held_out);
    EXPECT_EQ(pieces->known_targets, all->known_targets);
    EXPECT_EQ(pieces->learned_values, all->learned_values);
    const std::lock_guard lock(mutex);
    for (size_t i = 0; i < pieces->rows.size(); ++i) {
      if (pieces->rows[i] == DemandPieces::kElsewhere) continue;
      ++held[i];
      for (size_t at = 0; at < 96; ++at) {
        const size_t here = static_cast<size_t>(pieces->rows[i]) * 96 + at;
        EXPECT_EQ(pieces->inputs[here], all->inputs[i * 96 + at]);
        EXPECT_EQ(pieces->targets[here], all->targets[i * 96 + at]);
      }
    }
    return absl::OkStatus();
  });
  for (const absl::Status& status : ended) EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(held, testing::Each(1)) << "each piece is in one process";
}

TEST(GradientExchangeTest, SharesThatOverlapOrTearAHostApartAreRefused) {
  const std::vector<MadeUpDemand> made = MakeUpDemand(2, 300, 3);
  const auto overlap = RunGroup(2, [&](GlooExchange& exchange) {
    return CutIntoPieces({{made[0].values, 0}, {made[1].values, 0}}, Few(), exchange).status();
  });
  EXPECT_THAT(std::string(overlap[0].message()), HasSubstr("several processes have values of series 1"));
  EXPECT_THAT(std::string(overlap[1].message()), HasSubstr("several processes have values of series 1"));
  const auto torn = RunGroup(2, [&](GlooExchange& exchange) {
    const bool first = exchange.rank() == 0;
    const absl::Span<const double> none;
    return CutIntoPieces({{first ? absl::MakeConstSpan(made[0].values) : none, 0, 9},
                          {first ? none : absl::MakeConstSpan(made[1].values), 0, 9}},
                         Few(), exchange)
        .status();
  });
  EXPECT_THAT(std::string(torn[0].message()), HasSubstr("series 2 is in another process than others of its host"));
  EXPECT_THAT(std::string(torn[1].message()), HasSubstr("series 1 is in another process"));
}

}  // namespace
}  // namespace truce
