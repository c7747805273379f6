// Asks a Truce controller for a host, starts nothing there, and gives the reservation back: a scheduler's client in
// C++.
//
//   truce-example-place HOST:PORT CA CERT KEY     with TLS
//   truce-example-place HOST:PORT                 without, on loopback only
//
// Needs the code that protoc and grpc_cpp_plugin make of proto/truce/v1, and gRPC. Exit codes: 0 done, 1 no host or no
// answer, 2 usage.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>

#include "truce/v1/scheduler.grpc.pb.h"

namespace {

std::string ReadFile(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// After so long the answer is of no use any more, and the server is told so.
void SetDeadline(grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
}

int Fail(const grpc::Status& status) {
  // RESOURCE_EXHAUSTED: no host has room, and the message says which comes nearest and what it lacks.
  std::cerr << "error " << status.error_code() << ": " << status.error_message() << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 5) {
    std::cerr << "usage: truce-example-place HOST:PORT [CA CERT KEY]\n";
    return 2;
  }
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (argc == 5) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = ReadFile(argv[2]);
    options.pem_cert_chain = ReadFile(argv[3]);
    options.pem_private_key = ReadFile(argv[4]);
    credentials = grpc::SslCredentials(options);
  }
  const auto scheduler = truce::v1::SchedulerService::NewStub(grpc::CreateChannel(argv[1], credentials));

  truce::v1::PlaceRequest request;
  request.mutable_workload()->set_application("shop-db");
  request.mutable_workload()->set_workload_class(truce::v1::WORKLOAD_CLASS_CRITICAL);
  request.mutable_workload()->set_cpu_cores(1);
  request.mutable_workload()->set_memory_bytes(uint64_t{1} << 30);
  request.mutable_workload()->mutable_rules()->set_most_per_host(1);
  // The same id after a lost connection gets the same answer and reserves nothing twice.
  std::random_device random;
  request.set_request_id(std::to_string(random()) + "-" + std::to_string(random()));
  grpc::ClientContext placing;
  SetDeadline(&placing);
  truce::v1::PlaceResponse placed;
  if (const grpc::Status status = scheduler->Place(&placing, request, &placed); !status.ok()) return Fail(status);
  std::cout << placed.chosen().host() << ": " << placed.chosen().reason() << "\n";
  for (const auto& other : placed.alternatives()) std::cout << "  next " << other.host() << "\n";

  // Here a scheduler starts the workload on the host. This one changes its mind.
  truce::v1::ReleaseRequest release;
  release.set_reservation_id(placed.reservation_id());
  grpc::ClientContext releasing;
  SetDeadline(&releasing);
  truce::v1::ReleaseResponse released;
  const grpc::Status status = scheduler->Release(&releasing, release, &released);
  return status.ok() ? 0 : Fail(status);
}
