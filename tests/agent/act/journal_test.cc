// The journal survives torn ends, broken middles, full disks and other boots without losing or inventing an original.
#include "agent/act/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "agent/act/journal_record.h"
#include "tests/agent/act/faulty_disk.h"
#include "tests/agent/act/tree.h"

namespace truce::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string Slurp(const std::string& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void Spill(const std::string& file, const std::string& text) {
  std::ofstream(file, std::ios::trunc) << text;
}

JournalEntry Entry(const std::string& path, const std::string& original) {
  return {.controller = host::Controller::kCpu, .path = path, .file = "cpu.max", .inode = 7, .original = original};
}

class JournalTest : public testing::Test {
 protected:
  std::unique_ptr<Journal> Open(const std::string& boot_id = "boot-1") {
    auto journal = Journal::Open(directory_.path() + "/state", boot_id, disk);
    if (!journal.ok()) ADD_FAILURE() << journal.status();
    return *std::move(journal);
  }
  std::vector<std::string> Originals(const Journal& journal) {
    std::vector<std::string> originals;
    for (const JournalEntry& entry : journal.Outstanding()) originals.push_back(entry.path + "=" + entry.original);
    return originals;
  }
  std::string file() const { return directory_.path() + "/state/journal"; }

  TemporaryDirectory directory_;
  FaultyDisk disk;
};

TEST_F(JournalTest, ChecksumIsCrc32) {
  EXPECT_EQ(Crc32("123456789"), 0xCBF43926u);  // the check value of CRC-32/ISO-HDLC
}

TEST_F(JournalTest, OutstandingOriginalsSurviveByteForByte) {
  const std::string bytes("max 100000\n\t\\\"\0\xff end", 21);
  {
    auto journal = Open();
    ASSERT_TRUE(journal->Record("quota a", std::string("\x01\n\t", 3), {Entry("a", bytes), Entry("b c", "")}).ok());
    ASSERT_TRUE(journal->Record("quota d", "h", {Entry("d", "1\n")}).ok());
    journal->Close({Entry("b c", "")});
  }
  const auto journal = Open();
  EXPECT_THAT(Originals(*journal), ElementsAre("a=" + bytes, "d=1\n"));
  EXPECT_EQ(*journal->HeldActionOf("quota a"), std::string("\x01\n\t", 3));
  EXPECT_EQ(journal->Find(host::Controller::kCpu, "a", "cpu.max")->inode, 7u);
  EXPECT_EQ(journal->Find(host::Controller::kCpuset, "a", "cpu.max"), nullptr);
  EXPECT_THAT(journal->problems(), IsEmpty());
}

TEST_F(JournalTest, StateDirectoryIsPrivate) {
  Open();
  const auto permissions = std::filesystem::status(directory_.path() + "/state").permissions();
  EXPECT_EQ(permissions, std::filesystem::perms::owner_all);
}

TEST_F(JournalTest, SecondOwnerIsRefused) {
  const auto first = Open();
  const auto second = Journal::Open(directory_.path() + "/state", "boot-1", disk);
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status())) << second.status();
}

// Cut anywhere, the records before the cut are all there and nothing is invented.
TEST_F(JournalTest, TornAtAnyByteKeepsWholeRecords) {
  {
    auto journal = Open();
    ASSERT_TRUE(journal->Record("o1", "h", {Entry("a", "1\n")}).ok());
    ASSERT_TRUE(journal->Record("o2", "h", {Entry("b", "2\n")}).ok());
  }
  const std::string whole = Slurp(file());
  size_t most = 0;
  for (size_t size = 0; size <= whole.size(); ++size) {
    Spill(file(), whole.substr(0, size));
    auto journal = Open();
    EXPECT_THAT(journal->problems(), IsEmpty()) << "a torn end is normal, at " << size;
    const auto originals = Originals(*journal);
    const std::vector<std::string> all = {"a=1\n", "b=2\n"};
    ASSERT_LE(originals.size(), all.size());
    EXPECT_TRUE(std::equal(originals.begin(), originals.end(), all.begin())) << size;
    EXPECT_GE(originals.size(), most) << "more bytes, fewer originals, at " << size;
    most = originals.size();
    // And what is recorded next is read back, whatever the torn end was.
    ASSERT_TRUE(journal->Record("o3", "h", {Entry("c", "3\n")}).ok());
    journal.reset();
    EXPECT_EQ(Originals(*Open()).size(), most + 1) << size;
  }
  EXPECT_EQ(most, 2u);
}

TEST_F(JournalTest, BrokenMiddleIsReportedAndTheRestIsUsed) {
  {
    auto journal = Open();
    ASSERT_TRUE(journal->Record("o1", "h", {Entry("a", "first\n")}).ok());
    ASSERT_TRUE(journal->Record("o2", "h", {Entry("b", "second\n")}).ok());
    ASSERT_TRUE(journal->Record("o3", "h", {Entry("c", "third\n")}).ok());
  }
  std::string text = Slurp(file());
  text.replace(text.find("second"), 6, "forged");
  Spill(file(), text);
  {
    auto journal = Open();
    EXPECT_THAT(Originals(*journal), ElementsAre("a=first\n", "c=third\n"));
    ASSERT_EQ(journal->problems().size(), 2u);
    EXPECT_THAT(journal->problems()[0], HasSubstr("journal:5: the checksum does not match"));
    EXPECT_EQ(Slurp(file() + ".broken"), text);
    ASSERT_TRUE(journal->Flush().ok());
  }
  const auto journal = Open();
  EXPECT_THAT(journal->problems(), IsEmpty()) << "the rewritten journal is sound again";
  EXPECT_THAT(Originals(*journal), ElementsAre("a=first\n", "c=third\n"));
}

TEST_F(JournalTest, AnotherBootDropsEverything) {
  ASSERT_TRUE(Open("boot-1")->Record("o", "h", {Entry("a", "1\n")}).ok());
  EXPECT_THAT(Originals(*Open("")), ElementsAre("a=1\n")) << "an unknown boot id proves nothing";
  {
    auto journal = Open("boot-2");
    EXPECT_THAT(Originals(*journal), IsEmpty());
    EXPECT_THAT(journal->problems(), IsEmpty()) << "a reboot damages nothing";
    ASSERT_TRUE(journal->Record("o", "h", {Entry("b", "2\n")}).ok());
  }
  EXPECT_THAT(Originals(*Open("boot-2")), ElementsAre("b=2\n"));
}

TEST_F(JournalTest, EmptyJournalIsCompacted) {
  auto journal = Open();
  ASSERT_TRUE(journal->Record("o", "h", {Entry("a", "1\n")}).ok());
  const size_t held = Slurp(file()).size();
  journal->Close({Entry("a", "")});
  EXPECT_LT(Slurp(file()).size(), held);
  EXPECT_THAT(Slurp(file()), HasSubstr("truce-journal"));
  EXPECT_EQ(journal->HeldActionOf("o"), nullptr);
}

// One action that stays while others come and go, or is renewed with other values, must not make the file grow for
// ever.
TEST_F(JournalTest, LongLifeStaysSmall) {
  auto journal = Open();
  ASSERT_TRUE(journal->Record("stays", std::string(200, 'h'), {Entry("stays", "1\n")}).ok());
  uintmax_t largest = 0;
  for (int i = 0; i < 5000; ++i) {
    ASSERT_TRUE(journal->Record("stays", std::string(200, 'h'), {}).ok());
    largest = std::max(largest, std::filesystem::file_size(file()));
  }
  EXPECT_LT(largest, 300u * 1024);
  journal.reset();
  EXPECT_THAT(Originals(*Open()), ElementsAre("stays=1\n"));
}

class FullDisk : public JournalTest, public testing::WithParamInterface<FaultyDisk::Call> {};

// Whatever fails, nothing is recorded, and the next try on a good disk works.
TEST_P(FullDisk, NothingIsRecorded) {
  for (const bool with_earlier_record : {false, true}) {
    SCOPED_TRACE(with_earlier_record);
    std::filesystem::remove_all(directory_.path() + "/state");
    auto journal = Open();
    if (with_earlier_record) {
      ASSERT_TRUE(journal->Record("o", "h", {Entry("a", "1\n")}).ok());
    }
    const auto before = Originals(*journal);
    disk.Fail(GetParam(), ENOSPC);
    const absl::Status status = journal->Record("o2", "h", {Entry("b", "2\n")});
    disk.Fail(FaultyDisk::Call::kNone, 0);
    const bool needed =
        !with_earlier_record || GetParam() == FaultyDisk::Call::kWrite || GetParam() == FaultyDisk::Call::kSync;
    if (!needed) continue;  // an open journal neither opens nor renames
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(file()));
    EXPECT_EQ(Originals(*journal), before);
    ASSERT_TRUE(journal->Record("o3", "h", {Entry("c", "3\n")}).ok());
    journal.reset();
    EXPECT_EQ(Originals(*Open()).size(), before.size() + 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Calls, FullDisk,
                         testing::Values(FaultyDisk::Call::kOpen, FaultyDisk::Call::kWrite, FaultyDisk::Call::kSync,
                                         FaultyDisk::Call::kRename));

TEST_F(JournalTest, ShortWriteIsCutOffAgain) {
  auto journal = Open();
  ASSERT_TRUE(journal->Record("o", "h", {Entry("a", "1\n")}).ok());
  const std::string before = Slurp(file());
  disk.CutWritesAt(10);
  EXPECT_TRUE(absl::IsResourceExhausted(journal->Record("o2", "h", {Entry("b", "2\n")})));
  EXPECT_EQ(Slurp(file()), before);
  // Even when it can't be cut off: the next record takes care of it.
  disk.Fail(FaultyDisk::Call::kTruncate, EIO);
  EXPECT_FALSE(journal->Record("o2", "h", {Entry("b", "2\n")}).ok());
  disk.CutWritesAt(static_cast<size_t>(-1));
  EXPECT_FALSE(journal->Record("o2", "h", {Entry("b", "2\n")}).ok()) << "after garbage nothing may be appended";
  disk.Fail(FaultyDisk::Call::kNone, 0);
  ASSERT_TRUE(journal->Record("o2", "h", {Entry("b", "2\n")}).ok());
  journal.reset();
  auto again = Open();
  EXPECT_THAT(Originals(*again), ElementsAre("a=1\n", "b=2\n"));
  EXPECT_THAT(again->problems(), IsEmpty());
}

// What is restored must not be restored again later only because the disk was full when it was noted.
TEST_F(JournalTest, DoneIsRememberedAcrossAFullDisk) {
  auto journal = Open();
  ASSERT_TRUE(journal->Record("o", "h", {Entry("a", "1\n"), Entry("b", "2\n")}).ok());
  disk.Fail(FaultyDisk::Call::kWrite, ENOSPC);
  journal->Close({Entry("a", "")});
  EXPECT_FALSE(journal->Flush().ok());
  disk.Fail(FaultyDisk::Call::kNone, 0);
  ASSERT_TRUE(journal->Flush().ok());
  journal.reset();
  journal = Open();
  EXPECT_THAT(Originals(*journal), ElementsAre("b=2\n"));
  // And an empty journal needs no room at all.
  disk.Fail(FaultyDisk::Call::kWrite, ENOSPC);
  journal->Close({Entry("b", "")});
  EXPECT_TRUE(journal->Flush().ok());
  disk.Fail(FaultyDisk::Call::kNone, 0);
  journal.reset();
  EXPECT_THAT(Originals(*Open()), IsEmpty());
}

}  // namespace
}  // namespace truce::agent
