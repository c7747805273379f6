// A file is there whole or not at all; what is no file is never replaced by one.
#include "src/base/atomic_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/fixtures/tree.h"

namespace truce {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

std::string Content(const std::string& file) {
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) names.push_back(entry.path().filename());
  return names;
}

mode_t ModeOf(const std::string& file) {
  struct stat found {};
  EXPECT_EQ(lstat(file.c_str(), &found), 0) << file;
  return found.st_mode;
}

absl::Status Replace(const std::string& path, const std::string& content) {
  return WriteFileAtomically(path, content, 0640, IfExists::kReplace);
}

TEST(AtomicFileTest, TheOldFileStaysUntilTheNewOneIsWhole) {
  const test::Tree tree{{"f", "old"}, {"f.partial", "somebody's"}};
  {
    const auto file = AtomicFile::Create(tree.Path("f"), 0640, IfExists::kReplace);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->Write("ne").ok());
    EXPECT_EQ(Content(tree.Path("f")), "old");
  }
  EXPECT_THAT(NamesIn(tree.root()), UnorderedElementsAre("f", "f.partial")) << "what was not committed is gone";
  const auto file = AtomicFile::Create(tree.Path("f"), 0640, IfExists::kReplace);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Write("ne").ok());
  ASSERT_TRUE((*file)->Write("w").ok());
  ASSERT_TRUE((*file)->Commit().ok());
  EXPECT_EQ(Content(tree.Path("f")), "new");
  EXPECT_EQ(ModeOf(tree.Path("f")) & 07777, 0640U);
  EXPECT_EQ(Content(tree.Path("f.partial")), "somebody's");
  EXPECT_THAT(NamesIn(tree.root()), UnorderedElementsAre("f", "f.partial"));
}

TEST(AtomicFileTest, WhatMustNotBeThereIsLeftAlone) {
  const test::Tree tree{{"f", "old"}};
  tree.Link("to-nothing", "nothing");
  for (const char* const name : {"f", "to-nothing"}) {
    const absl::Status status = WriteFileAtomically(tree.Path(name), "new", 0600, IfExists::kRefuse);
    EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  }
  EXPECT_EQ(Content(tree.Path("f")), "old");
  EXPECT_THAT(NamesIn(tree.root()), UnorderedElementsAre("f", "to-nothing"));
}

TEST(AtomicFileTest, ALinkStaysAndItsFileIsReplaced) {
  const test::Tree tree{{"deep/f", "old"}};
  tree.Link("deep/link", "f");
  tree.Link("link", "deep/link");
  ASSERT_TRUE(Replace(tree.Path("link"), "new").ok());
  EXPECT_TRUE(S_ISLNK(ModeOf(tree.Path("link"))));
  EXPECT_TRUE(S_ISLNK(ModeOf(tree.Path("deep/link"))));
  EXPECT_TRUE(S_ISREG(ModeOf(tree.Path("deep/f"))));
  EXPECT_EQ(Content(tree.Path("deep/f")), "new");
  tree.Link("to-nothing", "nothing");
  EXPECT_THAT(std::string(Replace(tree.Path("to-nothing"), "new").message()), HasSubstr("to what is not there"));
  EXPECT_THAT(NamesIn(tree.root()), UnorderedElementsAre("deep", "link", "to-nothing"));
}

TEST(AtomicFileTest, APipeIsWrittenTo) {
  const test::Tree tree;
  const std::string pipe = tree.Path("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(std::string(Replace(pipe, "new").message()), HasSubstr("start its reader first"));
  const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  ASSERT_TRUE(Replace(pipe, "new").ok());
  char got[8] = {};
  EXPECT_EQ(read(reader, got, sizeof got), 3);
  EXPECT_STREQ(got, "new");
  close(reader);
  EXPECT_EQ(ModeOf(pipe), static_cast<mode_t>(S_IFIFO | 0600));
  EXPECT_THAT(NamesIn(tree.root()), UnorderedElementsAre("pipe"));
}

// A node of its own: the one in /dev would be gone for the whole machine if this were broken.
TEST(AtomicFileTest, ADeviceStaysAndSaysWhatItSays) {
  const test::Tree tree;
  const std::string full = tree.Path("full");
  const bool made = mknod(full.c_str(), S_IFCHR | 0600, makedev(1, 7)) == 0;
  const int opened = made ? open(full.c_str(), O_WRONLY | O_CLOEXEC) : -1;
  if (opened < 0) GTEST_SKIP() << "device nodes need root, and a file system that allows them";
  close(opened);
  const absl::Status status = Replace(full, "new");
  EXPECT_TRUE(S_ISCHR(ModeOf(full)));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("writing " + full));
  EXPECT_THAT(NamesIn(tree.root()), UnorderedElementsAre("full"));
}

TEST(AtomicFileTest, ADirectoryIsNoFile) {
  const test::Tree tree;
  tree.MakeDirectory("d");
  EXPECT_FALSE(Replace(tree.Path("d"), "new").ok());
  EXPECT_FALSE(Replace(tree.Path("none/f"), "new").ok());
  EXPECT_THAT(NamesIn(tree.root()), UnorderedElementsAre("d"));
}

}  // namespace
}  // namespace truce
