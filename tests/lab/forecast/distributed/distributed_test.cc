// truce-lab train forecast in several processes makes the model that one makes, and ends when one of them does. All
// traffic is on the loopback interface.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "models/forecast/demand_model_file.h"
#include "tests/fixtures/tree.h"
#include "tests/lab/forecast/distributed/lab_process.h"

namespace truce {
namespace {

using test::LabProcess;
using testing::HasSubstr;

class DistributedTest : public testing::Test {
 protected:
  // Trains to the end by itself, or in processes that it starts, and returns the weights.
  DemandWeights Train(const std::string& name, std::vector<std::string> arguments) {
    for (const char* const argument : {"--name", "test", "--output"}) arguments.emplace_back(argument);
    arguments.push_back(tree_.Path(name));
    LabProcess lab(arguments, tree_.Path(name + ".log"));
    EXPECT_EQ(lab.Wait(), 0) << lab.Said();
    said_ = lab.Said();
    std::ostringstream bytes;
    bytes << std::ifstream(tree_.Path(name), std::ios::binary).rdbuf();
    auto content = ParseDemandModel(bytes.str(), name);
    EXPECT_TRUE(content.ok()) << content.status();
    return content.ok() ? content->model.weights() : DemandWeights();
  }
  // The last loss on series held out that was told.
  double HeldOutLoss() const {
    const std::regex told("([0-9.]+) on series held out");
    double loss = 0;
    for (std::sregex_iterator at(said_.begin(), said_.end(), told), end; at != end; ++at) loss = std::stod((*at)[1]);
    return loss;
  }
  // Of a group that this test starts, and that would train for a long time.
  std::unique_ptr<LabProcess> Member(int rank, int world, int port, const std::string& timeout) {
    return std::make_unique<LabProcess>(
        std::vector<std::string>{"--series", "60", "--epochs", "1000", "--output", tree_.Path("never"), "--distributed",
                                 "--rank", std::to_string(rank), "--world", std::to_string(world), "--rendezvous",
                                 "127.0.0.1:" + std::to_string(port), "--timeout", timeout},
        tree_.Path("member" + std::to_string(rank) + ".log"));
  }
  // Series like those of a host, in a file.
  void PutHistory(const std::string& file, int series, double phase) {
    std::string text = "series,t,value\n";
    for (int s = 0; s < series; ++s) {
      for (int i = 0; i < 400; ++i) {
        const double value = 5 + 3 * std::sin(0.1 * i + phase + s) + (i % (7 + s) == 0 ? 4 : 0);
        text += "s" + std::to_string(s) + "," + std::to_string(300 * i) + "," + std::to_string(value) + "\n";
      }
    }
    tree_.Put(file, text);
  }

  const test::Tree tree_;
  std::string said_;
};

// The largest difference of a weight.
double Difference(const DemandWeights& one, const DemandWeights& other) {
  double largest = 0;
  const auto look = [&largest](const auto& a, const auto& b) {
    ASSERT_EQ(a.size(), b.size());
    largest = std::max<double>(largest, (a - b).cwiseAbs().maxCoeff());
  };
  look(one.project, other.project);
  look(one.project_bias, other.project_bias);
  look(one.cell.input_gates, other.cell.input_gates);
  look(one.cell.hidden_gates, other.cell.hidden_gates);
  look(one.cell.gate_bias, other.cell.gate_bias);
  look(one.head, other.head);
  look(one.head_bias, other.head_bias);
  look(one.out, other.out);
  look(one.out_bias, other.out_bias);
  return largest;
}

// Weights that began alike and learned the same differ by how sums of floats were rounded.
constexpr double kRounding = 1e-4;

// Few series and small batches: many batches have nothing for one of the processes.
std::vector<std::string> FewSeries(const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"--series", "13", "--length", "500", "--batch", "3"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST_F(DistributedTest, SeveralProcessesMakeTheModelThatOneMakes) {
  const DemandWeights one = Train("one", FewSeries({"--epochs", "4"}));
  for (const char* const processes : {"2", "3"}) {
    const DemandWeights several = Train(processes, FewSeries({"--epochs", "4", "--processes", processes}));
    EXPECT_LT(Difference(one, several), kRounding) << processes;
    EXPECT_THAT(said_, HasSubstr(std::string("process 1 of ") + processes + " learned from"));
  }
  // So much is learned in a pass.
  EXPECT_GT(Difference(one, Train("shorter", FewSeries({"--epochs", "3"}))), 10 * kRounding);
}

TEST_F(DistributedTest, TheLossOnSeriesHeldOutIsTheSameAndEndsAllAlike) {
  const std::vector<std::string> held_out = {"--epochs", "30", "--held-out", "0.3", "--patience", "2"};
  Train("one", FewSeries(held_out));
  const double loss = HeldOutLoss();
  const auto passes = std::count(said_.begin(), said_.end(), '\n');
  EXPECT_GT(loss, 0);
  std::vector<std::string> two = held_out;
  two.insert(two.end(), {"--processes", "2"});
  Train("two", FewSeries(two));
  EXPECT_NEAR(HeldOutLoss(), loss, 1e-4 * loss);
  EXPECT_EQ(std::count(said_.begin(), said_.end(), '\n'), passes + 1) << "the second process tells its speed, too";
}

TEST_F(DistributedTest, HistoryIsDealtOutByFile) {
  PutHistory("a.csv", 5, 0);
  PutHistory("b.csv", 3, 1);
  PutHistory("c.csv", 2, 2);
  const std::vector<std::string> same = {
      "--epochs",          "3",       "--batch",           "4",       "--input",
      tree_.Path("a.csv"), "--input", tree_.Path("b.csv"), "--input", tree_.Path("c.csv")};
  const DemandWeights one = Train("one", same);
  std::vector<std::string> two = same;
  two.insert(two.end(), {"--processes", "2"});
  EXPECT_LT(Difference(one, Train("two", two)), kRounding);
  // Process 1 has the second file alone; what is wrong with it ends the other.
  tree_.Put("b.csv", "series,t,value\na,0,much\n");
  LabProcess lab(two, tree_.Path("wrong.log"));
  EXPECT_EQ(lab.Wait(), 1);
  EXPECT_THAT(lab.Said(), HasSubstr("process 1 ended: " + tree_.Path("b.csv") + ", line 2"));
  two.back() = "4";
  LabProcess few(two, tree_.Path("few.log"));
  EXPECT_EQ(few.Wait(), 2);
  EXPECT_THAT(few.Said(), HasSubstr("each of 4 processes reads files of its own, and --input names 3"));
}

TEST_F(DistributedTest, WhenOneDiesTheOthersEndAndNameIt) {
  for (const int dies : {0, 1}) {
    const int port = test::FreePort();
    std::vector<std::unique_ptr<LabProcess>> group;
    for (int rank = 0; rank < 3; ++rank) group.push_back(Member(rank, 3, port, "60"));
    ASSERT_TRUE(group[0]->WaitToSay("1 of 1000 passes")) << group[0]->Said();
    ASSERT_EQ(kill(group[static_cast<size_t>(dies)]->pid(), SIGKILL), 0);
    for (int rank = 0; rank < 3; ++rank) {
      LabProcess& member = *group[static_cast<size_t>(rank)];
      EXPECT_EQ(member.Wait(), rank == dies ? 128 + SIGKILL : 1);
      if (rank == dies) continue;
      EXPECT_THAT(member.Said(), HasSubstr("process " + std::to_string(dies) + " of 3 ended or does not answer"));
    }
    for (int rank = 0; rank < 3; ++rank) tree_.Remove("member" + std::to_string(rank) + ".log");
  }
}

TEST_F(DistributedTest, OneThatHangsIsNotWaitedForForever) {
  for (const int hangs : {0, 2}) {
    const int port = test::FreePort();
    std::vector<std::unique_ptr<LabProcess>> group;
    for (int rank = 0; rank < 3; ++rank) group.push_back(Member(rank, 3, port, "3"));
    ASSERT_TRUE(group[0]->WaitToSay("1 of 1000 passes")) << group[0]->Said();
    ASSERT_EQ(kill(group[static_cast<size_t>(hangs)]->pid(), SIGSTOP), 0);
    for (int rank = 0; rank < 3; ++rank) {
      if (rank == hangs) continue;
      LabProcess& member = *group[static_cast<size_t>(rank)];
      EXPECT_EQ(member.Wait(), 1);
      EXPECT_THAT(member.Said(), HasSubstr("process " + std::to_string(hangs) + " of 3 ended or does not answer"));
    }
    kill(group[static_cast<size_t>(hangs)]->pid(), SIGKILL);
    group.clear();
    for (int rank = 0; rank < 3; ++rank) tree_.Remove("member" + std::to_string(rank) + ".log");
  }
}

TEST_F(DistributedTest, WhoStartedTheOthersEndsThem) {
  LabProcess lab({"--series", "60", "--epochs", "1000", "--output", tree_.Path("never"), "--processes", "3"},
                 tree_.Path("lab.log"));
  ASSERT_TRUE(lab.WaitToSay("1 of 1000 passes")) << lab.Said();
  const std::vector<int> others = test::ChildrenOf(lab.pid());
  ASSERT_EQ(others.size(), 2U);
  ASSERT_EQ(kill(others[0], SIGKILL), 0);
  EXPECT_EQ(lab.Wait(), 1);
  EXPECT_THAT(lab.Said(), testing::ContainsRegex("truce-lab: process [12] of 3 ended or does not answer"));
  EXPECT_NE(kill(others[1], 0), 0) << "process " << others[1] << " is still there";
  EXPECT_FALSE(std::filesystem::exists(tree_.Path("never")));
}

TEST_F(DistributedTest, OptionsThatMakeNoGroupAreRefused) {
  const auto refused = [this](const std::vector<std::string>& arguments, const std::string& why) {
    LabProcess lab(arguments, tree_.Path("refused.log"));
    EXPECT_EQ(lab.Wait(), 2);
    EXPECT_THAT(lab.Said(), HasSubstr(why));
  };
  refused({"--distributed", "--rank", "0", "--world", "2"}, "--rendezvous");
  refused({"--rank", "0"}, "--distributed");
  const std::vector<std::string> whole = {"--distributed", "--rank", "2", "--world", "2", "--rendezvous", "here:1"};
  refused(whole, "of --world 2 processes the last is 1");
  std::vector<std::string> nowhere = whole;
  nowhere[2] = "1";
  nowhere.back() = "here";
  refused(nowhere, "it is HOST:PORT of process 0");
  nowhere.back() = "::1:2000";
  refused(nowhere, "in brackets");
  nowhere[2] = "0";
  nowhere.back() = std::string(64, 'x') + ":29500";
  refused(nowhere, "truce-lab: process 0: no machine is known as x");
}

TEST_F(DistributedTest, WhatLibtorchTriesIsNotSaidInItsOwnLines) {
  LabProcess alone({"--output", tree_.Path("never"), "--distributed", "--rank", "1", "--world", "2", "--rendezvous",
                    "127.0.0.1:" + std::to_string(test::FreePort()), "--timeout", "1"},
                   tree_.Path("alone.log"));
  EXPECT_EQ(alone.Wait(), 1);
  const std::string said = alone.Said();
  EXPECT_THAT(said, testing::StartsWith("truce-lab: process 1: process 0 does not answer at 127.0.0.1:"));
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
}

// Process 1 never gets to the end of its file, but is alive.
TEST_F(DistributedTest, OneThatReadsForeverIsNotWaitedForForever) {
  PutHistory("a.csv", 5, 0);
  const std::string pipe = tree_.Path("b.csv");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int writer = open(pipe.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(writer, 0);
  LabProcess lab({"--input", tree_.Path("a.csv"), "--input", pipe, "--output", tree_.Path("never"), "--processes", "2",
                  "--timeout", "3"},
                 tree_.Path("lab.log"));
  EXPECT_EQ(lab.Wait(), 1);
  close(writer);
  EXPECT_THAT(lab.Said(), HasSubstr("still waiting for process 1 to end"));
  EXPECT_THAT(lab.Said(), HasSubstr("truce-lab: the 2 processes lost touch, though all are alive"));
}

}  // namespace
}  // namespace truce
