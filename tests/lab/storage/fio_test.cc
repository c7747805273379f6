#include "lab/storage/fio.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace truce::lab {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kReport[] = R"(note: something that fio says first
{"fio version": "fio-3.33", "jobs": [{"jobname": "storage", "error": 0,
 "read": {"total_ios": 2000, "iops": 500.5, "io_bytes": 8192000, "bw_bytes": 2050048,
   "lat_ns": {"mean": 100000.0, "percentile": {"50.000000": 90000, "99.000000": 400000}}},
 "write": {"total_ios": 0, "iops": 0.0, "io_bytes": 0, "bw_bytes": 0, "lat_ns": {"mean": 0.0}}}]})";

TEST(ParseFio, ReadsWhatFioSays) {
  const auto result = ParseFio(kReport);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->of[0].operations, 2000u);
  EXPECT_DOUBLE_EQ(result->of[0].operations_per_second, 500.5);
  EXPECT_DOUBLE_EQ(result->of[0].bytes_per_second, 2050048);
  EXPECT_DOUBLE_EQ(result->of[0].mean_seconds, 100e-6);
  EXPECT_DOUBLE_EQ(result->of[0].p99_seconds, 400e-6);
  EXPECT_EQ(result->of[1].operations, 0u);
}

TEST(ParseFio, RefusesWhatItDoesNot) {
  for (const char* bad : {"", "fio: no such job", "{", "{}", "{\"jobs\": []}",
                          R"({"jobs": [{"read": {"total_ios": 5, "iops": 1, "lat_ns": {"mean": 3}}}]})"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseFio(bad).status())) << bad;
  }
}

TEST(FioArguments, SayTheLoad) {
  FioRun run{.file = "/f", .file_bytes = 1 << 26, .operation_bytes = 16384, .read_share = 0.7, .depth = 8};
  EXPECT_THAT(FioArguments(run), Contains("--rw=randrw"));
  EXPECT_THAT(FioArguments(run), Contains("--rwmixread=70"));
  EXPECT_THAT(FioArguments(run), Not(Contains(StartsWith("--rate"))));
  run.rate = 1000;
  EXPECT_THAT(FioArguments(run), Contains("--rate_iops=700,300"));
  EXPECT_THAT(FioArguments(run), Contains("--rate_process=poisson"));
  run.read_share = 0;
  EXPECT_THAT(FioArguments(run), Contains("--rw=randwrite"));
  EXPECT_THAT(FioArguments(run), Contains("--rate_iops=1,1000"));
}

TEST(RunFio, SaysWhatFioComplainsOf) {
  ShutdownSignals signals;
  FioRun run{.file = "/proc/no/file", .file_bytes = 1 << 20};
  const absl::Status status = RunFio(run, signals).status();
  if (absl::IsNotFound(status)) GTEST_SKIP() << status;
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("fio failed: "));
}

TEST(RunFio, WithoutFioItIsNamedWithItsPackage) {
  const std::string path = std::getenv("PATH");
  setenv("PATH", "/nonexistent", 1);
  ShutdownSignals signals;
  const absl::Status status = RunFio({.file = "/f"}, signals).status();
  setenv("PATH", path.c_str(), 1);
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("Debian's package fio"));
}

}  // namespace
}  // namespace truce::lab
