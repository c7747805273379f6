// Published traces are read as they are published: packed, with repeated lines, by day.
#include "lab/forecast/datasets.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "lab/forecast/archive.h"
#include "lab/forecast/tasks.h"
#include "tests/fixtures/tree.h"

namespace truce::lab {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsNan;

constexpr char kBitbrainsHeader[] =
    "ts_s,cores,cpu_prov_mhz,cpu_mhz,mem_prov_kb,mem_kb,disk_r_kbs,disk_w_kbs,net_rx_kbs,net_tx_kbs\n";

// Packs files into `path`: a tar, or where `name` is empty the content alone, compressed with xz.
void Pack(const std::string& path, const std::vector<std::pair<std::string, std::string>>& files) {
  archive* const out = archive_write_new();
  archive_write_add_filter_xz(out);
  if (files[0].first.empty()) {
    archive_write_set_format_raw(out);
  } else {
    archive_write_set_format_pax_restricted(out);
  }
  ASSERT_EQ(archive_write_open_filename(out, path.c_str()), ARCHIVE_OK);
  for (const auto& [name, content] : files) {
    archive_entry* const entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.empty() ? "data" : name.c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    ASSERT_EQ(archive_write_header(out, entry), ARCHIVE_OK) << archive_error_string(out);
    ASSERT_EQ(archive_write_data(out, content.data(), content.size()), static_cast<la_ssize_t>(content.size()));
    archive_entry_free(entry);
  }
  ASSERT_EQ(archive_write_free(out), ARCHIVE_OK);
}

TEST(ReadPackedTest, WhatIsInAFileIsHandedOutWhateverItIsPackedIn) {
  const test::Tree tree{{"plain.csv", "a,b\n"}};
  Pack(tree.Path("one.csv.xz"), {{"", "c,d\n"}});
  Pack(tree.Path("many.tar.xz"), {{"dir/x.csv", "x\n"}, {"dir/y.csv", std::string(200'000, 'y')}});
  std::vector<std::string> got;
  const auto take = [&](std::string_view name, std::string_view content) {
    got.push_back(absl::StrCat(std::string(name), ":", content.size()));
    return absl::OkStatus();
  };
  for (const char* file : {"plain.csv", "one.csv.xz", "many.tar.xz"}) {
    EXPECT_TRUE(ReadPacked(tree.Path(file), take).ok()) << file;
  }
  EXPECT_THAT(got, ElementsAre("plain.csv:4", "one.csv:4", "x.csv:2", "y.csv:200000"));
}

TEST(ReadPackedTest, DamageIsToldFromAbsence) {
  const test::Tree tree;
  const auto take = [](std::string_view, std::string_view) { return absl::OkStatus(); };
  EXPECT_TRUE(absl::IsNotFound(ReadPacked(tree.Path("none.csv.xz"), take)));
  Pack(tree.Path("cut.csv.xz"), {{"", std::string(100'000, 'a') + std::string(100'000, 'b')}});
  std::filesystem::resize_file(tree.Path("cut.csv.xz"), std::filesystem::file_size(tree.Path("cut.csv.xz")) / 2);
  const absl::Status status = ReadPacked(tree.Path("cut.csv.xz"), take);
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("cut.csv.xz"));
}

TEST(ReadBitbrainsTest, PercentOfWhatWasProvisionedOnAGridWithGaps) {
  const test::Tree tree;
  tree.MakeDirectory("bitbrains");
  const std::string header = kBitbrainsHeader;
  Pack(tree.Path("bitbrains/dev.tar.xz"),
       {{"dev/vm_10.csv", header + "1000,2,2000,500,8,4,1,2,3,4\n1300,2,2000,1000,8,5,1,2,3,4\n"},
        {"dev/vm_9.csv",
         header + "1901,1,0,0,8,7,0,0,0,0\n1000,1,1000,100,8,6,0,0,0,0\n1000,1,1000,900,8,9,9,9,9,9\n"}});
  const auto recordings = ReadForecastSet("bitbrains", tree.root());
  ASSERT_TRUE(recordings.ok()) << recordings.status();
  ASSERT_EQ(recordings->size(), 6u);
  const std::vector<Series>& cpu = (*recordings)[0].series;
  EXPECT_EQ((*recordings)[0].target, "cpu");
  ASSERT_EQ(cpu.size(), 2u);
  EXPECT_EQ(cpu[0].name, "vm_9");
  EXPECT_THAT(cpu[0].values, ElementsAre(10, IsNan(), IsNan(), IsNan())) << "nothing provisioned is no reading";
  EXPECT_THAT(cpu[1].values, ElementsAre(25, 50));
  EXPECT_EQ((*recordings)[1].target, "memory");
  EXPECT_THAT((*recordings)[1].series[0].values, ElementsAre(6, IsNan(), IsNan(), 7));
}

TEST(ReadPlanetLabTest, ADayIsARecording) {
  const test::Tree tree{{"planetlab/planetlab_20110306.csv", "vm,t0,t1\na,5,6\nb,,8\n"},
                        {"planetlab/planetlab_20110303.csv", "vm,t0,t1\na,1,2\n"},
                        {"planetlab/notes.txt", "not a trace"}};
  const auto days = ReadForecastSet("planetlab", tree.root());
  ASSERT_TRUE(days.ok()) << days.status();
  ASSERT_EQ(days->size(), 2u);
  EXPECT_EQ((*days)[0].day, "planetlab_20110303");
  EXPECT_THAT((*days)[1].series[1].values, ElementsAre(IsNan(), 8));

  tree.Put("planetlab/planetlab_20110306.csv", "vm,t0,t1\na,5\n");
  EXPECT_THAT(std::string(ReadForecastSet("planetlab", tree.root()).status().message()),
              AllOf(HasSubstr("planetlab_20110306.csv"), HasSubstr("line 2")));
}

TEST(ReadCraneTest, AFileIsASeries) {
  const test::Tree tree{{"crane/input0.csv", "ts,value\n60,1\n120,2\n240,4\n"}};
  const auto recordings = ReadForecastSet("crane", tree.root());
  ASSERT_TRUE(recordings.ok()) << recordings.status();
  EXPECT_THAT((*recordings)[0].series[0].values, ElementsAre(1, 2, IsNan(), 4));
  EXPECT_EQ((*recordings)[0].series[0].spacing_seconds, 60);
}

TEST(ReadForecastSetTest, WhatIsNotThereIsSaid) {
  const test::Tree tree;
  const absl::Status status = ReadForecastSet("crane", tree.root()).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(tree.Path("crane")));
  EXPECT_TRUE(absl::IsInvalidArgument(ReadForecastSet("moon", tree.root()).status()));
}

// A recording whose values say which series and which step they are.
Recording MadeUp(size_t series, size_t values, const std::string& day = "") {
  Recording recording{"cpu", "%", day, {}};
  for (size_t i = 0; i < series; ++i) {
    Series& one = recording.series.emplace_back();
    one.name = absl::StrCat(day, i);
    one.spacing_seconds = 300;
    for (size_t t = 0; t < values; ++t) one.values.push_back(static_cast<double>(1000 * i + t));
  }
  return recording;
}

TEST(ForecastTasksTest, NobodyIsLearnedFromWhoIsJudged) {
  for (const std::string set : {"bitbrains", "crane"}) {
    const auto tasks = ForecastTasks(set, {MadeUp(10, 400)}, 0);
    ASSERT_TRUE(tasks.ok()) << tasks.status();
    EXPECT_EQ((*tasks)[0].Judged(), set == "crane" ? 10u : 6u);
    for (const ForecastFold& fold : (*tasks)[0].folds) {
      for (const JudgedSeries& judged : fold.judged) {
        EXPECT_EQ(judged.training, 300u) << "the last quarter is judged";
        for (const Series& other : fold.others) {
          EXPECT_NE(judged.series.name, other.name);
          EXPECT_LT(other.values.size(), judged.series.values.size()) << "others' judged time would be the same time";
        }
      }
      EXPECT_FALSE(fold.others.empty());
    }
  }
}

TEST(ForecastTasksTest, LongSeriesAreJudgedForAWeekAfterThreeWeeks) {
  const size_t day = 288;
  const auto tasks = ForecastTasks("bitbrains", {MadeUp(1, 60 * day)}, 0);
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  const JudgedSeries& judged = (*tasks)[0].folds[0].judged[0];
  EXPECT_EQ(judged.training, 21 * day);
  EXPECT_EQ(judged.series.values.size(), 28 * day);
  EXPECT_EQ(judged.series.values.back(), static_cast<double>(60 * day - 1));
  EXPECT_EQ(judged.series.start_seconds, 300.0 * 32 * day);
}

TEST(ForecastTasksTest, PlanetLabHoldsOutWholeDays) {
  const auto tasks = ForecastTasks("planetlab", {MadeUp(8, 288, "a"), MadeUp(8, 288, "b"), MadeUp(9, 288, "c")}, 0);
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  const ForecastFold& fold = (*tasks)[0].folds[0];
  EXPECT_EQ(fold.others.size(), 16u);
  ASSERT_EQ(fold.judged.size(), 3u);
  EXPECT_EQ(fold.judged[2].series.name, "c8");
  EXPECT_EQ(fold.judged[2].training, 216u);
}

TEST(ForecastTasksTest, WhatCannotBeJudgedIsCounted) {
  Recording recording = MadeUp(3, 40);
  std::fill(recording.series[1].values.begin() + 30, recording.series[1].values.end(), NAN);
  const auto tasks = ForecastTasks("bitbrains", {recording}, 0);
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  EXPECT_EQ((*tasks)[0].Judged(), 2u);
  EXPECT_EQ((*tasks)[0].left_out, 1u);
  EXPECT_EQ((*ForecastTasks("bitbrains", {recording}, 1))[0].Judged(), 1u);
}

}  // namespace
}  // namespace truce::lab
