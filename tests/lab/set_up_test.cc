// What programs work on is made whole or not at all, and by one lab at a time.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "lab/collect.h"
#include "lab/running_program.h"
#include "src/host/file.h"
#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

using testing::HasSubstr;

class SetUpTest : public testing::Test {
 protected:
  absl::Status Make(const std::string& setup) {
    Program program;
    program.name = "maker";
    program.setup = setup;
    std::filesystem::create_directories(tree_.Path("data"));
    return lab::SetUp(program, tree_.Path("data"), signals_);
  }
  std::string Made(const std::string& name) const {
    return host::ReadFile(tree_.Path("data/" + name)).value_or("nothing");
  }

  test::Tree tree_;
  ShutdownSignals signals_;
};

TEST_F(SetUpTest, WhatWasMadeIsThereAndIsNotMadeAgain) {
  const std::string setup = "[ -s input ] || echo made >\"$DATA/input\"";
  ASSERT_TRUE(Make(setup).ok());
  EXPECT_EQ(Made("input"), "made\n");
  std::ofstream(tree_.Path("data/input")) << "kept";
  ASSERT_TRUE(Make(setup).ok());
  EXPECT_EQ(Made("input"), "kept");
  ASSERT_TRUE(Make("cat input >copy").ok()) << "others' input can be used";
  EXPECT_EQ(Made("copy"), "kept");
  EXPECT_FALSE(std::filesystem::exists(tree_.Path("data/being-made")));
}

TEST_F(SetUpTest, WhatWasMadeByHalfIsNotThere) {
  const absl::Status failed = Make("echo half >input; echo no room >&2; exit 1");
  EXPECT_THAT(std::string(failed.message()), HasSubstr("no room"));
  EXPECT_EQ(Made("input"), "nothing");
  // A lab that was killed in the middle of it.
  std::filesystem::create_directory(tree_.Path("data/being-made"));
  std::ofstream(tree_.Path("data/being-made/input")) << "half";
  ASSERT_TRUE(Make("[ -s input ] || echo whole >input").ok());
  EXPECT_EQ(Made("input"), "whole\n");
}

TEST(PrepareWorkDirectoryTest, IsOneLabsAtATime) {
  test::Tree tree;
  {
    const auto mine = PrepareWorkDirectory(tree.Path("work"));
    ASSERT_TRUE(mine.ok()) << mine.status();
    const auto yours = PrepareWorkDirectory(tree.Path("work"));
    EXPECT_TRUE(absl::IsAlreadyExists(yours.status()));
    EXPECT_THAT(std::string(yours.status().message()), HasSubstr("another truce-lab"));
  }
  EXPECT_TRUE(PrepareWorkDirectory(tree.Path("work")).ok());
}

}  // namespace
}  // namespace truce::lab
