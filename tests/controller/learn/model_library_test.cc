// Models on the controller's disk: by content, whole, and nowhere else.
#include "controller/learn/model_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "models/weights/model_bytes.h"

namespace truce::controller {
namespace {

using testing::HasSubstr;

class ModelLibraryTest : public testing::Test {
 protected:
  ModelLibraryTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "truce-library-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
  }
  ~ModelLibraryTest() override { std::filesystem::remove_all(root_); }
  std::string root_;
};

TEST_F(ModelLibraryTest, GivesBackWhatWasPutAndKeepsWhatItIsTold) {
  const ModelLibrary library(root_ + "/models");
  const std::string first = *library.Put("one");
  const std::string second = *library.Put("two");
  EXPECT_EQ(first, FileSha256("one"));
  EXPECT_EQ(*library.Put("one"), first);
  EXPECT_EQ(*library.Get(first), "one");
  std::ofstream(root_ + "/models/notes.txt") << "an operator's";
  std::ofstream(library.directory() + "/" + first + ".truce.a1B2c3") << "half written";
  library.Keep({second});
  EXPECT_EQ(library.Get(first).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(*library.Get(second), "two");
  EXPECT_TRUE(std::filesystem::exists(root_ + "/models/notes.txt"));
  EXPECT_FALSE(std::filesystem::exists(library.directory() + "/" + first + ".truce.a1B2c3"));
}

TEST_F(ModelLibraryTest, ADamagedFileIsNotGivenOutAndPutAnew) {
  const ModelLibrary library(root_);
  const std::string sha256 = *library.Put("one");
  std::ofstream(root_ + "/" + sha256 + ".truce") << "onf";
  EXPECT_EQ(library.Get(sha256).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(library.Put("one").ok());
  EXPECT_EQ(*library.Get(sha256), "one");
}

TEST_F(ModelLibraryTest, NamesDoNotLeadOutOfIt) {
  std::ofstream(root_ + "/secret.truce") << "secret";
  const ModelLibrary library(root_ + "/models");
  ASSERT_TRUE(library.Put("one").ok());
  EXPECT_EQ(library.Get("../secret").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ModelLibraryTest, SaysWhatCannotBePut) {
  EXPECT_THAT(std::string(ModelLibrary("").Put("one").status().message()), HasSubstr("models.directory"));
  const ModelLibrary library(root_);
  EXPECT_FALSE(library.Put("").ok());
  EXPECT_FALSE(library.Put(std::string(kMostModelBytes + 1, 'x')).ok());
}

}  // namespace
}  // namespace truce::controller
