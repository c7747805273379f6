// The control writer on plain files and, where writable, on real cgroups: bytes, audit, skipped writes, sentences.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "src/host/control_line.h"
#include "src/host/writer_cgroup.h"
#include "src/host/writer_faulty.h"
#include "src/host/writer_nested.h"

namespace truce::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class WriterTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "truce-writer-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    Put("cgroup.controllers", "cpuset cpu memory\n");
    Put("a/cpu.max", "max 100000\n");
    layout_ = std::make_unique<CgroupLayout>(*CgroupLayout::Detect(root_));
    cgroup_ = *Cgroup::Open(*layout_, "a");
    previous_ = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "test", std::make_shared<spdlog::sinks::ostream_sink_st>(log_, /*force_flush=*/true)));
  }
  void TearDown() override {
    spdlog::set_default_logger(previous_);
    std::filesystem::remove_all(root_);
  }
  void Put(const std::string& file, const std::string& content) {
    const std::filesystem::path path = root_ + "/" + file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::trunc) << content;
  }
  std::string Get(const std::string& file) {
    std::ifstream in(root_ + "/" + file);
    std::stringstream content;
    content << in.rdbuf();
    return content.str();
  }
  ControlFile Control(const std::string& file = "cpu.max") { return {cgroup_.get(), Controller::kCpu, file}; }

  std::string root_;
  std::unique_ptr<CgroupLayout> layout_;
  std::unique_ptr<Cgroup> cgroup_;
  std::ostringstream log_;
  std::shared_ptr<spdlog::logger> previous_;
  CgroupControlWriter writer_;
};

TEST_F(WriterTest, ReadsAndWritesBytes) {
  EXPECT_EQ(*writer_.Read(Control()), "max 100000\n");
  ASSERT_TRUE(writer_.Write(Control(), "5 1\n").ok());
  EXPECT_EQ(Get("a/cpu.max"), "5 1\n") << "a shorter value leaves no tail of the longer one";
  EXPECT_THAT(log_.str(), HasSubstr("control a/cpu.max: 'max 100000' -> '5 1'"));
}

TEST_F(WriterTest, EqualValueIsNotWritten) {
  const auto before = std::filesystem::last_write_time(root_ + "/a/cpu.max");
  std::filesystem::last_write_time(root_ + "/a/cpu.max", before - std::chrono::hours(1));
  ASSERT_TRUE(writer_.Write(Control(), "max 100000").ok());
  EXPECT_EQ(std::filesystem::last_write_time(root_ + "/a/cpu.max"), before - std::chrono::hours(1));
  EXPECT_EQ(Get("a/cpu.max"), "max 100000\n");
  EXPECT_THAT(log_.str(), IsEmpty()) << "the audit log has changes only";
}

TEST_F(WriterTest, EmptyValuesOfBothKinds) {
  ASSERT_TRUE(writer_.Write(Control(), "").ok());
  EXPECT_EQ(Get("a/cpu.max"), "");
  Put("a/cpuset.cpus", "0-1\n");
  ASSERT_TRUE(writer_.Write(Control("cpuset.cpus"), "\n").ok());
  EXPECT_EQ(Get("a/cpuset.cpus"), "\n");
}

TEST_F(WriterTest, MissingFileAndMissingTreeAreNotFound) {
  const absl::Status file = writer_.Write(Control("cpu.nothing"), "1");
  EXPECT_TRUE(absl::IsNotFound(file)) << file;
  EXPECT_THAT(file.ToString(), HasSubstr("a/cpu.nothing"));
  EXPECT_FALSE(std::filesystem::exists(root_ + "/a/cpu.nothing")) << "a write never makes a file";
  const ControlFile no_tree{cgroup_.get(), Controller::kCpuacct, "cpuacct.usage"};
  EXPECT_TRUE(absl::IsNotFound(writer_.Read(no_tree).status()));
  EXPECT_TRUE(absl::IsNotFound(writer_.Write(no_tree, "1")));
}

TEST_F(WriterTest, RemovedCgroupIsNotMistakenForItsSuccessor) {
  std::filesystem::rename(root_ + "/a", root_ + "/old");
  Put("a/cpu.max", "7 7\n");
  ASSERT_TRUE(writer_.Write(Control(), "1 1").ok());
  EXPECT_EQ(Get("a/cpu.max"), "7 7\n");
  EXPECT_EQ(Get("old/cpu.max"), "1 1");
  EXPECT_NE(ControlInode(Control()), ControlInode({Cgroup::Open(*layout_, "a")->get(), Controller::kCpu, "cpu.max"}));
}

TEST_F(WriterTest, FaultyWriterFailsTheNthWriteOnce) {
  FaultyControlWriter faulty(writer_);
  faulty.FailWrite(2, EBUSY);
  EXPECT_TRUE(faulty.Write(Control(), "1 1").ok());
  const absl::Status status = faulty.Write(Control(), "2 2");
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(Get("a/cpu.max"), "1 1");
  EXPECT_TRUE(faulty.Write(Control(), "3 3").ok());
  faulty.FailFile("cpu.max", EACCES);
  EXPECT_TRUE(absl::IsPermissionDenied(faulty.Write(Control(), "4 4")));
  EXPECT_TRUE(absl::IsPermissionDenied(faulty.Write(Control(), "4 4")));
  faulty.FailFile("cpu.max", 0);
  EXPECT_TRUE(faulty.Write(Control(), "4 4").ok());
  EXPECT_EQ(faulty.writes(), 6);
}

TEST_F(WriterTest, FaultyWriterTellsEachStep) {
  FaultyControlWriter faulty(writer_);
  std::vector<std::string> steps;
  faulty.SetHook([&](std::string_view step) { steps.emplace_back(std::string(step) + " " + Get("a/cpu.max")); });
  ASSERT_TRUE(faulty.Write(Control(), "1 1").ok());
  EXPECT_THAT(steps, ElementsAre("before write a/cpu.max max 100000\n", "after write a/cpu.max 1 1"));
}

TEST_F(WriterTest, EveryErrnoIsASentenceWithARemedy) {
  for (const int error : {EBUSY, EINVAL, EACCES, ENOENT, ENODEV, ENOSPC, EROFS}) {
    const std::string message(ControlWriteError(error, Control(), "0-3\n").message());
    EXPECT_THAT(message, HasSubstr("writing '0-3' to a/cpu.max: ")) << error;
    const size_t remedy = message.find("; ");
    ASSERT_NE(remedy, std::string::npos) << message;
    EXPECT_GT(message.size() - remedy, 20u) << message;
  }
}

TEST_F(WriterTest, NestedCgroupsComeParentsFirst) {
  for (const char* path : {"a/z", "a/m/deep", "a/b"}) std::filesystem::create_directories(root_ + "/" + path);
  EXPECT_THAT(*NestedCgroups(*cgroup_, Controller::kCpu), ElementsAre("a/b", "a/m", "a/m/deep", "a/z"));
  const auto leaf = Cgroup::Open(*layout_, "a/z");
  EXPECT_THAT(*NestedCgroups(**leaf, Controller::kCpu), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(NestedCgroups(*cgroup_, Controller::kCpuacct).status()));
}

TEST(ControlLineTest, ANameHasAKeyOrIsAWholeFile) {
  EXPECT_EQ(ParseControlLine("io.max[8:0]").file, "io.max");
  EXPECT_EQ(ParseControlLine("io.max[8:0]").key, "8:0");
  EXPECT_EQ(ParseControlLine("cpu.max").file, "cpu.max");
  EXPECT_EQ(ParseControlLine("cpu.max").key, "");
  EXPECT_EQ(ControlLineName("io.max", "8:0"), "io.max[8:0]");
}

TEST(ControlLineTest, LinesAreFoundAndReplacedByTheirKey) {
  const std::string content = "8:16 a\n8:1 b\n8:10 c\n";
  EXPECT_EQ(FindLine(content, "8:1"), "8:1 b") << "not the one of 8:16 or 8:10";
  EXPECT_EQ(FindLine(content, "8:0"), "");
  EXPECT_EQ(ReplaceLine(content, "8:1", "8:1 x"), "8:16 a\n8:1 x\n8:10 c\n");
  EXPECT_EQ(ReplaceLine(content, "8:1", ""), "8:16 a\n8:10 c\n");
  EXPECT_EQ(ReplaceLine(content, "9:0", "9:0 x"), content + "9:0 x\n");
  EXPECT_EQ(ReplaceLine("", "9:0", "9:0 x"), "9:0 x\n");
  EXPECT_EQ(LineThatResets("io.max", "8:0"), "8:0 rbps=max wbps=max riops=max wiops=max");
  EXPECT_EQ(LineThatResets("blkio.throttle.read_bps_device", "8:0"), "8:0 0");
}

TEST_F(WriterTest, OneLineOfAFileIsAControl) {
  Put("a/io.max", "8:16 rbps=1 wbps=max riops=max wiops=max\n");
  CgroupControlWriter writer;
  const ControlFile line = Control("io.max[8:0]");
  EXPECT_EQ(*writer.Read(line), "");
  ASSERT_TRUE(writer.Write(line, "8:0 rbps=5 wbps=max riops=max wiops=max\n").ok());
  EXPECT_EQ(*writer.Read(line), "8:0 rbps=5 wbps=max riops=max wiops=max");
  EXPECT_EQ(*writer.Read(Control("io.max[8:16]")), "8:16 rbps=1 wbps=max riops=max wiops=max");
  ASSERT_TRUE(writer.Write(line, "").ok());
  EXPECT_EQ(Get("a/io.max"), "8:16 rbps=1 wbps=max riops=max wiops=max\n");
  EXPECT_TRUE(absl::IsNotFound(writer.Read(Control("io.weight[8:0]")).status()));
}

}  // namespace
}  // namespace truce::host
