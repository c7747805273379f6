// /metrics and /healthz over plain HTTP, for Prometheus and probes. Built by the controller's wiring.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace truce::controller {

// Serves until destroyed. Thread-safe.
class HttpServer {
 public:
  virtual ~HttpServer() = default;
  // "host:port" with the port that was really bound.
  virtual const std::string& address() const = 0;
};

// Listens on `listen` ("host:port", port 0 for any). `metrics` gives the page; `problem` gives what is wrong, empty
// when nothing is. Both are called on the server's threads. Unavailable when the port can't be had.
absl::StatusOr<std::unique_ptr<HttpServer>> StartHttpServer(const std::string& listen,
                                                            std::function<std::string()> metrics,
                                                            std::function<std::string()> problem);

}  // namespace truce::controller
