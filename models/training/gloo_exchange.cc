#include "models/training/gloo_exchange.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// Debian's libtorch is built with it, and its headers show it to those who say so.
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "models/training/rendezvous.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce {
namespace {

// This machine's address on the way to `host`, which gets no packet. Empty when there is no way.
std::string AddressTowards(const std::string& host, uint16_t port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return "";
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all(found, &freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    const int fd = socket(one->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    sockaddr_storage own = {};
    socklen_t size = sizeof own;
    std::array<char, NI_MAXHOST> name = {};
    const bool known =
        connect(fd, one->ai_addr, one->ai_addrlen) == 0 &&
        getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
        getnameinfo(reinterpret_cast<sockaddr*>(&own), size, name.data(), name.size(), nullptr, 0, NI_NUMERICHOST) == 0;
    close(fd);
    if (known) return name.data();
  }
  return "";
}

}  // namespace

struct GlooExchange::Group {
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
};

absl::StatusOr<std::unique_ptr<GlooExchange>> GlooExchange::Join(const GlooOptions& options) {
  TRUCE_ASSIGN_OR_RETURN(std::unique_ptr<Rendezvous> rendezvous, Rendezvous::Meet(options));
  const std::string address = AddressTowards(options.host, rendezvous->store()->getPort());
  if (address.empty()) {
    return absl::UnavailableError(StrCat("this machine has no address to reach ", options.host, " from"));
  }
  std::unique_ptr<GlooExchange> exchange(new GlooExchange(options, std::move(rendezvous), std::make_unique<Group>()));
  try {
    auto gloo = c10d::ProcessGroupGloo::Options::create(absl::ToChronoMilliseconds(options.patience));
    gloo->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(address));
    // One call after the other.
    gloo->threads = 1;
    exchange->group_->gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(exchange->rendezvous_->store(), options.rank,
                                                                         options.processes, gloo);
  } catch (const std::exception& error) {  // libtorch's way
    return exchange->Broken(error.what());
  }
  return exchange;
}

GlooExchange::GlooExchange(const GlooOptions& options, std::unique_ptr<Rendezvous> rendezvous,
                           std::unique_ptr<Group> group)
    : rank_(options.rank),
      processes_(options.processes),
      rendezvous_(std::move(rendezvous)),
      group_(std::move(group)) {}

GlooExchange::~GlooExchange() {
  Leave(absl::CancelledError("it was called off"));
}

absl::Status GlooExchange::Broken(const char* cause) {
  // Without it, those who wait for this process in turn get to know.
  group_.reset();
  const std::string what = cause;
  return broken_ = rendezvous_->WhatBroke(what.substr(0, what.find('\n')));
}

template <typename Value>
absl::Status GlooExchange::SumOf(absl::Span<Value> values) {
  if (!broken_.ok()) return broken_;
  if (rendezvous_ == nullptr) return absl::FailedPreconditionError("this process has left the others");
  if (values.empty()) return absl::OkStatus();
  try {
    std::vector<at::Tensor> tensors = {
        at::from_blob(values.data(), {static_cast<int64_t>(values.size())}, c10::CppTypeToScalarType<Value>::value)};
    group_->gloo->allreduce(tensors)->wait();
  } catch (const std::exception& error) {
    return Broken(error.what());
  }
  return absl::OkStatus();
}

absl::Status GlooExchange::Sum(absl::Span<float> values) {
  return SumOf(values);
}

absl::Status GlooExchange::Sum(absl::Span<double> values) {
  return SumOf(values);
}

void GlooExchange::Leave(const absl::Status& why) {
  if (rendezvous_ == nullptr) return;
  // What it heard of another is no news.
  const bool own = broken_.ok() && !why.ok();
  // The word first: it is there when the others miss this process.
  rendezvous_->SayGoodbye(own ? std::string(why.message()) : "");
  group_.reset();
  rendezvous_->StayForOthers(broken_.ok() ? why : broken_);
  rendezvous_.reset();
}

}  // namespace truce
