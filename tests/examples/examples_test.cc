// The example clients of docs/examples work as they stand, each against a controller with a host, and one without room.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "src/base/program.h"
#include "src/base/text.h"
#include "tests/controller/serve/running_controller.h"
#include "tests/fixtures/tree.h"

namespace truce::controller {
namespace {

using testing::HasSubstr;

class ExamplesTest : public testing::Test {
 protected:
  void Connect(int cpus) {
    agent_.Connect(MakeHello("web-1", cpus));
    agent_.Send(v1::Report());
    agent_.ReadDesired();
  }
  ProgramResult Run(std::vector<std::string> arguments) {
    auto result = RunProgram({.arguments = std::move(arguments)});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : ProgramResult();
  }
  static std::string Example(const std::string& name) { return StrCat(TRUCE_SOURCE_DIR "/docs/examples/", name); }
  const std::string& address() { return controller_.server().address(); }

  RunningController controller_;
  TestAgent agent_{controller_};
};

TEST_F(ExamplesTest, Cpp) {
  const std::string program = TRUCE_BIN_DIR "/truce-example-place";
  EXPECT_EQ(Run({program}).exit_code, 2);
  EXPECT_EQ(Run({program, address()}).exit_code, 1) << "there is no host";
  Connect(4);
  const ProgramResult placed = Run({program, address()});
  EXPECT_EQ(placed.exit_code, 0) << placed.output;
  EXPECT_THAT(placed.output, HasSubstr("web-1: with it 75 % of the CPUs"));
  EXPECT_EQ(controller_.core->places().reservations(), 0u) << "it was given back";
}

TEST_F(ExamplesTest, Python) {
  test::Tree tree;
  tree.MakeDirectory("gen");
  const std::string into = tree.Path("gen");
  const ProgramResult made =
      Run({"sh", "-c",
           StrCat("cd " TRUCE_SOURCE_DIR " && protoc -I proto --python_out=", into, " --grpc_python_out=", into,
                  " --plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin proto/truce/v1/*.proto 2>&1")});
  ASSERT_EQ(made.exit_code, 0) << made.output;
  // Debian's own, whose packages these are.
  const std::string call = StrCat("PYTHONPATH=", tree.Path("gen"), " /usr/bin/python3 ", Example("place.py"), " ",
                                  address(), " --plaintext 2>&1");
  EXPECT_THAT(Run({"sh", "-c", call}).output, HasSubstr("RESOURCE_EXHAUSTED: no agent has connected yet"));
  Connect(4);
  const ProgramResult placed = Run({"sh", "-c", call});
  EXPECT_EQ(placed.exit_code, 0) << placed.output;
  EXPECT_THAT(placed.output, HasSubstr("web-1: with it 75 % of the CPUs"));
  EXPECT_EQ(controller_.core->places().reservations(), 0u) << "it was given back";
}

TEST_F(ExamplesTest, Shell) {
  Connect(4);
  test::Tree tree;
  tree.Put("trucectl",
           StrCat("#!/bin/sh\nexec " TRUCE_BIN_DIR "/trucectl \"$@\" --plaintext --server ", address(), "\n"));
  std::filesystem::permissions(tree.Path("trucectl"), std::filesystem::perms::owner_all);
  const std::string environment = StrCat("PATH=", tree.root(), ":$PATH START='echo on HOST:' ");
  const auto run = [&](const std::string& arguments) {
    return Run({"sh", "-c", StrCat(environment, Example("place.sh"), " ", arguments, " 2>&1")});
  };
  const ProgramResult placed = run("batch 2 1GiB true");
  EXPECT_EQ(placed.exit_code, 0) << placed.output;
  EXPECT_THAT(placed.output, HasSubstr("on web-1: true"));
  EXPECT_EQ(controller_.core->places().reservations(), 1u);
  EXPECT_EQ(run("batch 3 1GiB true").exit_code, 1) << "two of four cores are left";
  EXPECT_EQ(run("batch").exit_code, 2);
}

}  // namespace
}  // namespace truce::controller
