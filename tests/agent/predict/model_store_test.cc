// Models on their way to a host: whatever is lost, repeated, reordered or damaged, only a whole and sound one is used,
// and it stays in use over a restart.
#include "agent/predict/model_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>

#include "models/forecast/demand_model_file.h"
#include "models/weights/model_bytes.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr auto kDemand = v1::MODEL_KIND_DEMAND;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

void WriteAll(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

absl::StatusOr<std::string> DemandVersion(std::string_view bytes, std::string_view name) {
  TRUCE_ASSIGN_OR_RETURN(const DemandModelContent content, ParseDemandModel(bytes, name));
  return content.version;
}

const std::string& Shipped() {
  static const std::string* const kBytes =
      new std::string(ReadAll(std::string(TRUCE_SOURCE_DIR) + "/models/pretrained/demand.truce"));
  return *kBytes;
}

// A sound model of another name.
std::string Another(const std::string& version) {
  auto content = ParseDemandModel(Shipped(), "demand.truce");
  EXPECT_TRUE(content.ok()) << content.status();
  content->version = version;
  return SerializeDemandModel(*content);
}

v1::ModelOffer OfferOf(const std::string& bytes) {
  v1::ModelOffer offer;
  offer.set_kind(kDemand);
  offer.set_sha256(FileSha256(bytes));
  offer.set_size_bytes(bytes.size());
  return offer;
}

v1::ModelChunk ChunkOf(const std::string& bytes, uint64_t offset, size_t size) {
  v1::ModelChunk chunk;
  chunk.set_sha256(FileSha256(bytes));
  chunk.set_offset(offset);
  chunk.set_data(bytes.substr(offset, size));
  return chunk;
}

// Files can't grow beyond so many bytes, for as long as it lives: a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &before_), 0);
    const rlimit small{bytes, before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  }
  ~FullDisk() {
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &before_), 0);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

class ModelStoreTest : public testing::Test {
 protected:
  ModelStoreTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "truce-models-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    WriteAll(root_ + "/own.truce", Shipped());
    options_.directory = root_ + "/state/models";
    options_.kinds[kDemand] = {root_ + "/own.truce", &DemandVersion};
    Start();
  }
  ~ModelStoreTest() override { std::filesystem::remove_all(root_); }

  // The agent starts (again).
  void Start() {
    store_.reset();
    store_ = std::make_unique<ModelStore>(options_);
  }
  // Answers what is asked for, in parts of `size` bytes, until nothing is.
  void Serve(const std::string& bytes, size_t size = 10'000, int most = 1'000'000) {
    for (int i = 0; i < most; ++i) {
      const auto request = store_->NextRequest(now_);
      if (!request) return;
      EXPECT_EQ(request->sha256(), FileSha256(bytes));
      store_->Take(ChunkOf(bytes, request->offset(), size));
    }
  }
  std::string InUseVersion() { return store_->InUse(kDemand) == nullptr ? "none" : store_->InUse(kDemand)->version; }
  std::string OnlyAnswer(bool accepted) {
    const auto answers = store_->TakeAnswers();
    EXPECT_THAT(answers, SizeIs(1));
    if (answers.empty()) return "";
    EXPECT_EQ(answers[0].accepted(), accepted) << answers[0].ShortDebugString();
    return answers[0].reason();
  }
  // The only answer is that this host takes none now, which says nothing of the model; returns why.
  std::string OnlyDeclined() {
    const auto answers = store_->TakeAnswers();
    EXPECT_THAT(answers, SizeIs(1));
    if (answers.empty()) return "";
    EXPECT_FALSE(answers[0].accepted());
    EXPECT_TRUE(answers[0].unwilling()) << answers[0].ShortDebugString();
    EXPECT_FALSE(store_->NextRequest(now_ + absl::Hours(1)).has_value());
    return answers[0].reason();
  }
  // The same model once nothing is in its way.
  void ExpectTaken(const std::string& bytes, const std::string& version) {
    store_->Offer(OfferOf(bytes));
    Serve(bytes);
    OnlyAnswer(true);
    EXPECT_EQ(InUseVersion(), version);
  }
  // Where the model's file with that ending is.
  std::string FileOf(const std::string& bytes, const std::string& ending) {
    return StrCat(options_.directory, "/demand-", FileSha256(bytes), ending);
  }
  std::set<std::string> Files() {
    std::set<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory, error)) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

  std::string root_;
  ModelStoreOptions options_;
  std::unique_ptr<ModelStore> store_;
  absl::Duration now_ = absl::Hours(1);
};

TEST_F(ModelStoreTest, UsesTheOneItCameWithUntilOneIsSentAndThatOneAfterARestart) {
  const std::string own = InUseVersion();
  EXPECT_FALSE(store_->InUse(kDemand)->sent);
  EXPECT_EQ(store_->InUse(kDemand)->sha256, FileSha256(Shipped()));
  const std::string sent = Another("sent-1");
  store_->Offer(OfferOf(sent));
  EXPECT_EQ(InUseVersion(), own) << "until all of it is here";
  Serve(sent);
  EXPECT_EQ(OnlyAnswer(true), "");
  EXPECT_EQ(InUseVersion(), "sent-1");
  EXPECT_EQ(ReadAll(store_->InUse(kDemand)->path), sent);
  Start();
  EXPECT_EQ(InUseVersion(), "sent-1");
  const auto hello = store_->ForHello();
  ASSERT_THAT(hello, SizeIs(1));
  EXPECT_EQ(hello[0].sha256(), FileSha256(sent));
  EXPECT_TRUE(hello[0].sent());

  v1::ModelOffer back;
  back.set_kind(kDemand);
  store_->Offer(back);
  OnlyAnswer(true);
  EXPECT_EQ(InUseVersion(), own);
  Start();
  EXPECT_EQ(InUseVersion(), own);
}

TEST_F(ModelStoreTest, AnOfferOfTheOneInUseOrOfOneThatIsStillHereCostsNothing) {
  const std::string first = Another("sent-1");
  const std::string second = Another("sent-2");
  for (const std::string* bytes : {&first, &second}) {
    store_->Offer(OfferOf(*bytes));
    Serve(*bytes);
    OnlyAnswer(true);
  }
  for (const auto& [bytes, version] :
       {std::pair(second, "sent-2"), std::pair(first, "sent-1"), std::pair(second, "sent-2")}) {
    store_->Offer(OfferOf(bytes));
    EXPECT_FALSE(store_->NextRequest(now_).has_value());
    OnlyAnswer(true);
    EXPECT_EQ(InUseVersion(), version);
  }
  store_->Offer(OfferOf(Shipped()));
  EXPECT_FALSE(store_->NextRequest(now_).has_value()) << "it came with the agent";
  OnlyAnswer(true);
  EXPECT_FALSE(store_->InUse(kDemand)->sent);
}

TEST_F(ModelStoreTest, KeepsTheOneInUseAndTheOneBefore) {
  for (const char* version : {"sent-1", "sent-2", "sent-3"}) {
    const std::string bytes = Another(version);
    store_->Offer(OfferOf(bytes));
    Serve(bytes);
  }
  EXPECT_THAT(Files(), SizeIs(3)) << "two models and the record";
  EXPECT_EQ(Files().count(StrCat("demand-", FileSha256(Another("sent-1")), ".truce")), 0u);
}

TEST_F(ModelStoreTest, LostRepeatedAndReorderedPartsDoNoHarm) {
  for (const uint32_t seed : {1u, 2u, 3u, 4u, 5u}) {
    std::mt19937 random(seed);
    const std::string bytes = Another(StrCat("sent-", seed));
    store_->Offer(OfferOf(bytes));
    std::vector<v1::ModelChunk> seen;
    for (int i = 0; i < 100'000 && InUseVersion() != StrCat("sent-", seed); ++i) {
      now_ += absl::Seconds(1);
      if (const auto request = store_->NextRequest(now_)) {
        const v1::ModelChunk chunk = ChunkOf(bytes, request->offset(), 1 + random() % 20'000);
        seen.push_back(chunk);
        if (random() % 3 == 0) continue;  // lost
        store_->Take(chunk);
        if (random() % 3 == 0) store_->Take(chunk);
      }
      if (!seen.empty()) store_->Take(seen[random() % seen.size()]);
      if (random() % 10 == 0) store_->Offer(OfferOf(bytes));
    }
    EXPECT_EQ(InUseVersion(), StrCat("sent-", seed));
    EXPECT_EQ(ReadAll(store_->InUse(kDemand)->path), bytes);
  }
}

TEST_F(ModelStoreTest, OnePartIsOnItsWayAtATimeAndALostOneIsAskedForAgain) {
  const std::string bytes = Another("sent-1");
  store_->Offer(OfferOf(bytes));
  ASSERT_TRUE(store_->NextRequest(now_).has_value());
  EXPECT_FALSE(store_->NextRequest(now_ + absl::Seconds(29)).has_value());
  now_ += absl::Seconds(30);
  const auto again = store_->NextRequest(now_);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->offset(), 0u);
  // A new stream: the controller offers it again, and what was asked for on the old one does not come.
  store_->Offer(OfferOf(bytes));
  EXPECT_TRUE(store_->NextRequest(now_).has_value());
}

TEST_F(ModelStoreTest, GoesOnWhereItWasAfterAReconnectAndARestart) {
  const std::string bytes = Another("sent-1");
  store_->Offer(OfferOf(bytes));
  Serve(bytes, 10'000, 4);
  store_->Offer(OfferOf(bytes));
  auto request = store_->NextRequest(now_);
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->offset(), 40'000u);
  Start();
  store_->Offer(OfferOf(bytes));
  request = store_->NextRequest(now_ + absl::Minutes(1));
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->offset(), 40'000u);
  store_->Take(ChunkOf(bytes, 40'000, bytes.size()));
  OnlyAnswer(true);
  EXPECT_EQ(InUseVersion(), "sent-1");
}

TEST_F(ModelStoreTest, AnOldPartThatIsDamagedIsFetchedAnew) {
  const std::string bytes = Another("sent-1");
  std::filesystem::create_directories(options_.directory);
  WriteAll(StrCat(options_.directory, "/demand-", FileSha256(bytes), ".part"), std::string(30'000, '\0'));
  store_->Offer(OfferOf(bytes));
  Serve(bytes);
  OnlyAnswer(true);
  EXPECT_EQ(InUseVersion(), "sent-1");
}

TEST_F(ModelStoreTest, DamagedBytesAreRefusedAndTheOneInUseStays) {
  const std::string own = InUseVersion();
  const std::string bytes = Another("sent-1");
  std::string damaged = bytes;
  damaged[damaged.size() / 2] ^= 1;
  store_->Offer(OfferOf(bytes));
  while (const auto request = store_->NextRequest(now_)) {
    v1::ModelChunk chunk = ChunkOf(damaged, request->offset(), 10'000);
    chunk.set_sha256(FileSha256(bytes));
    store_->Take(chunk);
  }
  EXPECT_THAT(OnlyAnswer(false), HasSubstr("SHA-256"));
  EXPECT_EQ(InUseVersion(), own);
  EXPECT_THAT(Files(), IsEmpty());
  // The line was noisy, not the model.
  store_->Offer(OfferOf(bytes));
  Serve(bytes);
  OnlyAnswer(true);
  EXPECT_EQ(InUseVersion(), "sent-1");
}

TEST_F(ModelStoreTest, WhatIsNoModelOfItsKindIsRefusedWithTheReasonAndNotFetchedTwice) {
  const std::string own = InUseVersion();
  const std::string interference = ReadAll(std::string(TRUCE_SOURCE_DIR) + "/models/pretrained/interference.truce");
  std::string wrong_test = Shipped();
  wrong_test[wrong_test.size() - 2] ^= 0x40;
  for (const std::string& bytes : {interference, wrong_test}) {
    store_->Offer(OfferOf(bytes));
    Serve(bytes);
    EXPECT_THAT(OnlyAnswer(false), HasSubstr("no model that can be used"));
    store_->Offer(OfferOf(bytes));
    EXPECT_FALSE(store_->NextRequest(now_).has_value());
    OnlyAnswer(false);
  }
  EXPECT_EQ(InUseVersion(), own);
  v1::ModelOffer pairs = OfferOf(interference);
  pairs.set_kind(v1::MODEL_KIND_INTERFERENCE);
  store_->Offer(pairs);
  const auto answers = store_->TakeAnswers();
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_THAT(answers[0].reason(), HasSubstr("takes no models of kind interference"));
  EXPECT_TRUE(answers[0].unwilling());
}

TEST_F(ModelStoreTest, OffersThatCanBeNoModelAreRefused) {
  const std::string bytes = Another("sent-1");
  for (const uint64_t size : {uint64_t{0}, uint64_t{kMostModelBytes} + 1, UINT64_MAX}) {
    v1::ModelOffer offer = OfferOf(bytes);
    offer.set_size_bytes(size);
    store_->Offer(offer);
    EXPECT_THAT(OnlyAnswer(false), HasSubstr("no model has"));
  }
  for (const std::string& name :
       {std::string("../../../etc/shadow"), std::string(64, 'X'), std::string(100'000, 'a')}) {
    v1::ModelOffer offer = OfferOf(bytes);
    offer.set_sha256(name);
    store_->Offer(offer);
    OnlyAnswer(false);
  }
  EXPECT_FALSE(store_->NextRequest(now_).has_value());
  EXPECT_FALSE(std::filesystem::exists(options_.directory)) << "nothing was made";
}

TEST_F(ModelStoreTest, MoreBytesThanOfferedEndIt) {
  const std::string bytes = Another("sent-1");
  v1::ModelOffer offer = OfferOf(bytes);
  offer.set_size_bytes(1'000);
  store_->Offer(offer);
  store_->Take(ChunkOf(bytes, 0, 1'001));
  EXPECT_THAT(OnlyAnswer(false), HasSubstr("more bytes"));
  EXPECT_FALSE(store_->NextRequest(now_ + absl::Hours(1)).has_value());
}

TEST_F(ModelStoreTest, OneThatTheControllerHasNoMoreIsGivenUp) {
  const std::string bytes = Another("sent-1");
  store_->Offer(OfferOf(bytes));
  Serve(bytes, 10'000, 2);
  store_->Take(ChunkOf(bytes, 20'000, 0));
  EXPECT_FALSE(store_->NextRequest(now_ + absl::Hours(1)).has_value());
  EXPECT_THAT(store_->TakeAnswers(), IsEmpty()) << "that says nothing of the model";
  EXPECT_THAT(store_->TakeNews(), SizeIs(1));
}

TEST_F(ModelStoreTest, AHostWhoseOperatorForbidsItKeepsItsOwn) {
  const std::string bytes = Another("sent-1");
  store_->Offer(OfferOf(bytes));
  Serve(bytes);
  store_->TakeAnswers();
  ASSERT_EQ(InUseVersion(), "sent-1");
  options_.accept_sent = false;
  Start();
  EXPECT_FALSE(store_->InUse(kDemand)->sent) << "what was sent before is not used either";
  store_->Offer(OfferOf(Another("sent-2")));
  const auto answers = store_->TakeAnswers();
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_THAT(answers[0].reason(), HasSubstr("model.accept_sent"));
  EXPECT_TRUE(answers[0].unwilling());
  EXPECT_FALSE(store_->NextRequest(now_).has_value());
}

TEST_F(ModelStoreTest, ADamagedFileOrRecordIsToldAndTheOwnOneUsed) {
  const std::string bytes = Another("sent-1");
  store_->Offer(OfferOf(bytes));
  Serve(bytes);
  const std::string path = store_->InUse(kDemand)->path;
  WriteAll(path, bytes.substr(0, bytes.size() / 2));
  Start();
  EXPECT_FALSE(store_->InUse(kDemand)->sent);
  EXPECT_THAT(store_->TakeNews(), ElementsAre(testing::Field(&ModelNews::message, HasSubstr("not used any more"))));
  WriteAll(options_.directory + "/demand.sent", "in_use ../../x\n");
  Start();
  EXPECT_FALSE(store_->InUse(kDemand)->sent);
  EXPECT_THAT(store_->TakeNews(), ElementsAre(testing::Field(&ModelNews::message, HasSubstr("damaged"))));
}

TEST_F(ModelStoreTest, FollowsTheFileThatItCameWith) {
  std::filesystem::remove(root_ + "/own.truce");
  Start();
  EXPECT_EQ(store_->InUse(kDemand), nullptr);
  ASSERT_THAT(store_->ForHello(), SizeIs(1));
  EXPECT_EQ(store_->ForHello()[0].sha256(), "") << "one could be sent all the same";
  EXPECT_THAT(store_->TakeNews(), SizeIs(1));
  store_->Refresh();
  EXPECT_THAT(store_->TakeNews(), IsEmpty()) << "told once";
  WriteAll(root_ + "/own.truce", Another("installed"));
  store_->Refresh();
  EXPECT_EQ(InUseVersion(), "installed");
}

// Whatever becomes of its file, also while another one is used.
TEST_F(ModelStoreTest, ADamagedSuccessorOfTheOwnOneLeavesIt) {
  const std::string own = InUseVersion();
  EXPECT_TRUE(store_->OwnStatus(kDemand).ok());
  WriteAll(root_ + "/own.truce", Shipped().substr(0, 1'000));
  EXPECT_FALSE(store_->Refresh());
  EXPECT_EQ(InUseVersion(), own);
  EXPECT_THAT(std::string(store_->OwnStatus(kDemand).message()), HasSubstr("own.truce is no model that can be used"));
  EXPECT_THAT(store_->TakeNews(), ElementsAre(testing::Field(&ModelNews::message, HasSubstr(own + " stays"))));

  ExpectTaken(Another("sent-1"), "sent-1");
  std::filesystem::remove(root_ + "/own.truce");
  EXPECT_FALSE(store_->Refresh());
  v1::ModelOffer back;
  back.set_kind(kDemand);
  store_->Offer(back);
  OnlyAnswer(true);
  ASSERT_EQ(InUseVersion(), own);
  EXPECT_EQ(*store_->InUse(kDemand)->bytes, Shipped());

  WriteAll(root_ + "/own.truce", Another("installed"));
  EXPECT_TRUE(store_->Refresh()) << "only the hello says so";
  EXPECT_EQ(InUseVersion(), "installed");
  EXPECT_TRUE(store_->OwnStatus(kDemand).ok());
  ExpectTaken(Another("sent-2"), "sent-2");
  WriteAll(root_ + "/own.truce", Shipped());
  EXPECT_FALSE(store_->Refresh()) << "the one that was sent is still in use";
}

TEST_F(ModelStoreTest, WithoutADirectoryItSaysWhy) {
  WriteAll(root_ + "/state", "a file");
  store_->Offer(OfferOf(Another("sent-1")));
  EXPECT_THAT(OnlyDeclined(), HasSubstr(root_ + "/state"));
  EXPECT_NE(InUseVersion(), "none");
  std::filesystem::remove(root_ + "/state");
  ExpectTaken(Another("sent-1"), "sent-1");
}

// What follows: this host's disk fails at each step in turn. A refusal would take the model back from the whole fleet.
TEST_F(ModelStoreTest, AHostThatCantOpenAPartTakesNoneNow) {
  const std::string bytes = Another("sent-1");
  std::filesystem::create_directories(FileOf(bytes, ".part"));
  store_->Offer(OfferOf(bytes));
  EXPECT_THAT(OnlyDeclined(), AllOf(HasSubstr(".part"), HasSubstr("offered again when the agent connects anew")));
  std::filesystem::remove(FileOf(bytes, ".part"));
  ExpectTaken(bytes, "sent-1");
}

TEST_F(ModelStoreTest, AHostWhoseDiskIsFullTakesNoneNow) {
  const std::string bytes = Another("sent-1");
  {
    const FullDisk full(15'000);
    store_->Offer(OfferOf(bytes));
    Serve(bytes);
  }
  EXPECT_THAT(OnlyDeclined(), HasSubstr(".part"));
  EXPECT_THAT(Files(), IsEmpty()) << "it takes no room";
  ExpectTaken(bytes, "sent-1");
}

TEST_F(ModelStoreTest, AHostThatCantReadWhatItWroteTakesNoneNow) {
  const std::string bytes = Another("sent-1");
  store_->Offer(OfferOf(bytes));
  Serve(bytes, 10'000, 4);
  std::filesystem::remove(FileOf(bytes, ".part"));
  Serve(bytes);
  EXPECT_THAT(OnlyDeclined(), HasSubstr(".part"));
  ExpectTaken(bytes, "sent-1");
}

TEST_F(ModelStoreTest, AHostThatCantKeepTheWholeFileTakesNoneNow) {
  const std::string bytes = Another("sent-1");
  std::filesystem::create_directories(FileOf(bytes, ".truce") + "/in-its-way");
  store_->Offer(OfferOf(bytes));
  Serve(bytes);
  EXPECT_THAT(OnlyDeclined(), HasSubstr(".truce"));
  std::filesystem::remove_all(FileOf(bytes, ".truce"));
  ExpectTaken(bytes, "sent-1");
}

// It goes where it is told to, also back, as long as it runs.
TEST_F(ModelStoreTest, WhatCantBeRecordedIsUsedUntilARestart) {
  const std::string own = InUseVersion();
  const std::string bytes = Another("sent-1");
  std::filesystem::create_directories(options_.directory + "/demand.sent/in-its-way");
  ExpectTaken(bytes, "sent-1");
  EXPECT_THAT(store_->TakeNews(),
              ElementsAre(testing::Field(&ModelNews::message, HasSubstr("which a restart will forget: "))));
  v1::ModelOffer back;
  back.set_kind(kDemand);
  store_->Offer(back);
  OnlyAnswer(true);
  EXPECT_EQ(InUseVersion(), own);
  store_->Offer(OfferOf(bytes));
  EXPECT_FALSE(store_->NextRequest(now_).has_value()) << "its file is here";
  OnlyAnswer(true);
  Start();
  EXPECT_EQ(InUseVersion(), own);
  EXPECT_FALSE(store_->ForHello()[0].sent()) << "so that it is offered again";
}

}  // namespace
}  // namespace truce::agent
