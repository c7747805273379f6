// Program descriptions: what is shipped is sound, and what is wrong in one is named with its line.
#include "lab/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string ErrorOf(const std::string& text) {
  const test::Tree tree({{"broken.yaml", text.c_str()}});
  const auto program = ReadProgram(tree.Path("broken.yaml"));
  EXPECT_TRUE(absl::IsInvalidArgument(program.status())) << program.status();
  return std::string(program.status().message());
}

TEST(ProgramTest, TheShippedOnesAreSoundAndOfManyKinds) {
  const auto programs = ReadPrograms(TRUCE_SOURCE_DIR "/lab/programs");
  ASSERT_TRUE(programs.ok()) << programs.status();
  EXPECT_GE(programs->size(), 24u);
  std::set<std::string> kinds;
  for (const Program& program : *programs) {
    EXPECT_FALSE(program.about.empty()) << program.name;
    EXPECT_FALSE(program.packages.empty()) << program.name << " says nowhere how to install it";
    EXPECT_FALSE(program.needs.empty()) << program.name;
    kinds.insert(program.kind);
  }
  EXPECT_GE(kinds.size(), 8u);
}

TEST(ProgramTest, TakesItsNameFromTheFile) {
  const test::Tree tree({{"gzip.yaml", "kind: compression\noperation: gzip -c file\n"}});
  const auto program = ReadProgram(tree.Path("gzip.yaml"));
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_EQ(program->name, "gzip");
  EXPECT_EQ(program->operation, "gzip -c file");
}

TEST(ProgramTest, NamesWhatIsWrongAndWhere) {
  EXPECT_THAT(ErrorOf("kind: x\noperation: a\nloop: b\n"), AllOf(HasSubstr("broken.yaml:3"), HasSubstr("loop")));
  EXPECT_THAT(ErrorOf("operation: a\n"), HasSubstr("kind"));
  EXPECT_THAT(ErrorOf("kind: x\n"), HasSubstr("exactly one of operation, worker and run"));
  EXPECT_THAT(ErrorOf("kind: x\noperation: a\nrun: b\n"), HasSubstr("exactly one of"));
  EXPECT_THAT(ErrorOf("kind: x\nrun: a\nprogress: 'eps: [0-9]+'\n"), HasSubstr("needs a group"));
  EXPECT_THAT(ErrorOf("kind: x\nrun: a\nprogress: '('\n"), HasSubstr("no regular expression"));
}

TEST(ProgramTest, ADirectoryWithoutProgramsIsAnError) {
  const test::Tree tree({{"readme.txt", "nothing"}});
  EXPECT_TRUE(absl::IsNotFound(ReadPrograms(tree.root()).status()));
  EXPECT_THAT(std::string(ReadPrograms(tree.Path("nowhere")).status().message()), HasSubstr("nowhere"));
}

TEST(ProgramTest, SaysWhichCommandsAreMissing) {
  Program program;
  program.needs = {"sh", "a-program-that-nobody-has"};
  EXPECT_THAT(MissingCommands(program), ElementsAre("a-program-that-nobody-has"));
  program.needs = {"sh"};
  EXPECT_THAT(MissingCommands(program), IsEmpty());
}

}  // namespace
}  // namespace truce::lab
