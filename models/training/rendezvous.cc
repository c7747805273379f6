#include "models/training/rendezvous.h"

#include <c10/util/Logging.h>
#include <netdb.h>
#include <sys/socket.h>

#include <chrono>
#include <map>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce {
namespace {

constexpr absl::Duration kBeat = absl::Milliseconds(300);
// A process that is alive gives a sign of it in this time, however busy its machine is.
constexpr absl::Duration kSilence = absl::Seconds(6);
constexpr absl::Duration kPoll = absl::Milliseconds(100);

std::string Key(const char* what, int rank) {
  return StrCat("truce/", what, "/", rank);
}

template <typename Ranks>
std::string Names(const Ranks& ranks) {
  return StrCat(ranks.size() == 1 ? "process " : "processes ", absl::StrJoin(ranks, ", "));
}

std::vector<uint8_t> Bytes(const std::string& text) {
  return {text.begin(), text.end()};
}

std::string Text(const std::vector<uint8_t>& bytes) {
  return {bytes.begin(), bytes.end()};
}

c10::intrusive_ptr<c10d::TCPStore> Open(const GlooOptions& options, uint16_t port, bool server,
                                        absl::Duration patience) {
  c10d::TCPStoreOptions store;
  store.port = port;
  store.isServer = server;
  store.waitWorkers = false;
  // libtorch cuts it down to whole seconds.
  store.timeout = absl::ToChronoMilliseconds(absl::Ceil(patience, absl::Seconds(1)));
  return c10::make_intrusive<c10d::TCPStore>(options.host, store);
}

// libtorch's errors carry a stack trace behind their first line.
std::string FirstLine(const std::exception& error) {
  const std::string what = error.what();
  return what.substr(0, what.find('\n'));
}

// Why no machine has the name or address `host`; empty when one does.
std::string WhyUnknown(const std::string& host) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) return StrCat("no machine is known as ", host, ": ", gai_strerror(error));
  freeaddrinfo(found);
  return "";
}

// What libtorch has to say comes back as its errors, too; its log of each attempt goes to stderr, whoever owns that.
void QuietenLibtorch() {
  constexpr int kAboveErrors = 3;
  // Once, before any thread of ours is in libtorch's stores.
  static const bool quiet = [] {
    FLAGS_caffe2_log_level = kAboveErrors;
    return true;
  }();
  static_cast<void>(quiet);
}

}  // namespace

Rendezvous::Rendezvous(const GlooOptions& options, c10::intrusive_ptr<c10d::TCPStore> store)
    : options_(options), store_(std::move(store)) {}

Rendezvous::~Rendezvous() {
  stop_ = true;
  if (beating_.joinable()) beating_.join();
}

absl::StatusOr<std::unique_ptr<Rendezvous>> Rendezvous::Meet(const GlooOptions& options) {
  const std::string place = StrCat(options.host, ":", options.port);
  QuietenLibtorch();
  if (const std::string unknown = WhyUnknown(options.host); !unknown.empty()) {
    return absl::InvalidArgumentError(
        StrCat(unknown, "; processes find each other by a name or an address of process 0's machine"));
  }
  c10::intrusive_ptr<c10d::TCPStore> store;
  try {
    store = Open(options, options.port, options.rank == 0, options.patience);
  } catch (const std::exception& error) {  // libtorch's way
    return absl::UnavailableError(options.rank == 0
                                      ? StrCat("cannot listen on ", place, "; choose another port: ", FirstLine(error))
                                      : StrCat("process 0 does not answer at ", place, ": ", FirstLine(error)));
  }
  std::unique_ptr<Rendezvous> met(new Rendezvous(options, std::move(store)));
  absl::Status status;
  try {
    // Who is refused is none of them: the others hear nothing of it.
    TRUCE_RETURN_IF_ERROR(met->Announce());
    status = met->ComeTogether();
  } catch (const std::exception& error) {
    return absl::UnavailableError(StrCat("process 0 at ", place, " ended or does not answer: ", FirstLine(error)));
  }
  if (status.ok()) return met;
  met->SayGoodbye(std::string(status.message()));
  met->StayForOthers(status);
  return status;
}

absl::Status Rendezvous::ComeTogether() {
  TRUCE_RETURN_IF_ERROR(StartBeating());
  if (options_.listening) TRUCE_RETURN_IF_ERROR(options_.listening(store_->getPort()));
  return WaitForAll();
}

absl::Status Rendezvous::Announce() {
  const std::string count = StrCat(options_.processes);
  if (options_.rank == 0) store_->set("truce/processes", Bytes(count));
  const std::string theirs = Text(store_->get("truce/processes"));
  if (theirs != count) {
    return absl::InvalidArgumentError(StrCat("process ", options_.rank, " is to be one of ", count,
                                             ", and process 0 one of ", theirs, "; give all the same number"));
  }
  if (store_->add(Key("taken", options_.rank), 1) > 1) {
    return absl::InvalidArgumentError(
        StrCat("there is a process ", options_.rank, " already; give each a rank of its own, below ", count));
  }
  return absl::OkStatus();
}

absl::Status Rendezvous::StartBeating() {
  const auto store = Open(options_, store_->getPort(), false, kSilence);
  // So long its calls wait for an answer from then on.
  store->wait({"truce/processes"}, absl::ToChronoMilliseconds(kSilence));
  store->set(Key("here", options_.rank), Bytes("yes"));
  beating_ = std::thread([this, store] { Beat(store); });
  return absl::OkStatus();
}

void Rendezvous::Beat(const c10::intrusive_ptr<c10d::TCPStore>& store) {
  try {
    while (!stop_) {
      store->add(Key("beat", options_.rank), 1);
      absl::SleepFor(kBeat);
    }
  } catch (const std::exception&) {
    // Process 0 is gone: the next Sum says so.
  }
}

absl::Status Rendezvous::WaitForAll() {
  const absl::Time deadline = absl::Now() + options_.patience;
  while (true) {
    std::vector<int> missing;
    for (int rank = 0; rank < options_.processes; ++rank) {
      if (!Has(Key("here", rank))) missing.push_back(rank);
    }
    if (missing.empty()) return absl::OkStatus();
    TRUCE_RETURN_IF_ERROR(LastWords());
    if (options_.waiting) TRUCE_RETURN_IF_ERROR(options_.waiting());
    if (absl::Now() > deadline) {
      return absl::UnavailableError(StrCat(Names(missing), " of ", options_.processes, " did not come to ",
                                           options_.host, ":", store_->getPort(), " within ",
                                           absl::FormatDuration(options_.patience)));
    }
    absl::SleepFor(kPoll);
  }
}

void Rendezvous::LookForGone() {
  std::map<int, int64_t> before;
  for (int rank = 0; rank < options_.processes; ++rank) {
    if (rank == options_.rank || gone_.contains(rank)) continue;
    if (Has(Key("here", rank))) {
      before[rank] = store_->add(Key("beat", rank), 0);
    } else {
      gone_.insert(rank);  // it never came
    }
  }
  const absl::Time deadline = absl::Now() + kSilence;
  while (!before.empty() && absl::Now() < deadline) {
    absl::SleepFor(kPoll);
    std::erase_if(before, [this](const auto& one) {
      return Has(Key("left", one.first)) || store_->add(Key("beat", one.first), 0) > one.second;
    });
  }
  for (const auto& [rank, beats] : before) gone_.insert(rank);
}

absl::Status Rendezvous::LastWords() {
  for (int rank = 0; rank < options_.processes; ++rank) {
    if (rank == options_.rank || !Has(Key("left", rank))) continue;
    const std::string word = Text(store_->get(Key("left", rank)));
    if (!word.empty()) return absl::UnavailableError(StrCat("process ", rank, " ended: ", word));
  }
  return absl::OkStatus();
}

absl::Status Rendezvous::WhatBroke(const std::string& cause) {
  try {
    LookForGone();
    TRUCE_RETURN_IF_ERROR(LastWords());
    if (!gone_.empty()) {
      return absl::UnavailableError(
          StrCat(Names(gone_), " of ", options_.processes, " ended or does not answer (", cause, ")"));
    }
  } catch (const std::exception& error) {
    return absl::UnavailableError(
        StrCat("process 0 of ", options_.processes, " ended or does not answer (", FirstLine(error), ")"));
  }
  return absl::UnavailableError(
      StrCat("the ", options_.processes, " processes lost touch, though all are alive (", cause, ")"));
}

void Rendezvous::SayGoodbye(const std::string& word) {
  try {
    store_->set(Key("left", options_.rank), Bytes(word));
  } catch (const std::exception&) {
    // Process 0 is gone, and with it whoever could be told.
  }
}

std::vector<int> Rendezvous::StillThere() {
  std::vector<int> there;
  for (int rank = 1; rank < options_.processes; ++rank) {
    if (!gone_.contains(rank) && !Has(Key("left", rank))) there.push_back(rank);
  }
  return there;
}

void Rendezvous::StayForOthers(const absl::Status& why) {
  if (options_.rank != 0) return;
  // Who waits in a Sum notices at once that this process left; before others leave, they look for who is gone, too.
  const absl::Time begin = absl::Now();
  bool told = false;
  try {
    for (auto others = StillThere(); !others.empty(); others = StillThere()) {
      const absl::Duration stayed = absl::Now() - begin;
      if (stayed > options_.patience + kSilence) return;
      if (stayed > kSilence && !told && options_.staying) {
        options_.staying(why, others);
        told = true;
      }
      LookForGone();
    }
  } catch (const std::exception&) {
    // Its own store does not answer: nobody else's question would be answered either.
  }
}

}  // namespace truce
