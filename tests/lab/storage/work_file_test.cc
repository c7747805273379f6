#include "lab/storage/work_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "src/base/text.h"

namespace truce::lab {
namespace {

using testing::HasSubstr;

// On the disk of the build: the directory for temporary files may be in memory.
class WorkFileTest : public testing::Test {
 protected:
  WorkFileTest() : directory_(StrCat(TRUCE_BIN_DIR, "/work-file-", getpid())) {
    std::filesystem::create_directories(directory_);
  }
  ~WorkFileTest() override { std::filesystem::remove_all(directory_); }
  const std::string directory_;
};

TEST_F(WorkFileTest, HasNoNameThatCouldStayBehindAndOthersCanOpenIt) {
  const auto file = WorkFile::Make(directory_ + "/file", 1 << 20);
  if (absl::IsFailedPrecondition(file.status())) GTEST_SKIP() << file.status();
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
  EXPECT_EQ(std::filesystem::file_size(file->OpenName()), uint64_t{1} << 20);
  const host::UniqueFd again(open(file->OpenName().c_str(), O_RDWR));
  EXPECT_TRUE(again.valid());
}

TEST_F(WorkFileTest, WhatIsThereIsLeftAlone) {
  std::ofstream(directory_ + "/precious") << "data";
  const absl::Status status = WorkFile::Make(directory_ + "/precious", 1 << 20).status();
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_EQ(std::filesystem::file_size(directory_ + "/precious"), 4u);
}

TEST_F(WorkFileTest, AFullDiskIsNamedWithTheRemedyAndNothingStays) {
  struct statvfs room {};
  ASSERT_EQ(statvfs(directory_.c_str(), &room), 0);
  const uint64_t all = uint64_t{room.f_blocks} * room.f_frsize;
  const absl::Status status = WorkFile::Make(directory_ + "/file", 2 * all).status();
  if (absl::IsFailedPrecondition(status)) GTEST_SKIP() << status;
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("--size"));
  // It asks, and does not fill the disk of everybody else to find out.
  EXPECT_THAT(std::string(status.message()), HasSubstr("MiB are free and a tenth of that is left to others"));
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
}

TEST_F(WorkFileTest, ADirectoryThatIsNotThereIsNamed) {
  const absl::Status status = WorkFile::Make(directory_ + "/none/file", 1 << 20).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(directory_ + "/none/file"));
}

TEST_F(WorkFileTest, AFileSystemInMemoryIsRefused) {
  if (!std::filesystem::exists("/dev/shm")) GTEST_SKIP() << "no /dev/shm";
  const std::string path = StrCat("/dev/shm/truce-work-file-", getpid());
  const auto file = WorkFile::Make(path, 1 << 20);
  // Newer kernels read tmpfs "past" its own pages; then it is no disk that is refused.
  if (file.ok()) {
    EXPECT_TRUE(absl::IsNotFound(FindDisk(file->device()).status()));
  } else {
    EXPECT_TRUE(absl::IsFailedPrecondition(file.status())) << file.status();
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(WorkFileTest, ADiskIsFoundByItselfAndByItsPartition) {
  const std::string sys = directory_ + "/sys";
  std::filesystem::create_directories(sys + "/devices/sda/sda1");
  std::filesystem::create_directories(sys + "/dev/block");
  std::ofstream(sys + "/devices/sda/size") << "2048\n";
  std::ofstream(sys + "/devices/sda/sda1/size") << "1024\n";
  std::ofstream(sys + "/devices/sda/sda1/partition") << "1\n";
  std::filesystem::create_symlink(sys + "/devices/sda", sys + "/dev/block/8:0");
  std::filesystem::create_symlink(sys + "/devices/sda/sda1", sys + "/dev/block/8:1");
  for (const char* device : {"8:0", "8:1"}) {
    const auto disk = FindDisk(device, sys);
    ASSERT_TRUE(disk.ok()) << disk.status();
    EXPECT_EQ(disk->name, "sda");
    EXPECT_EQ(disk->size_bytes, 2048u * 512);
  }
  const absl::Status none = FindDisk("0:42", sys).status();
  EXPECT_TRUE(absl::IsNotFound(none));
  EXPECT_THAT(std::string(none.message()), HasSubstr("give a directory"));
}

}  // namespace
}  // namespace truce::lab
