// What the controller serves over plain HTTP: /metrics and /healthz for Prometheus and probes, and, on a port of its
// own, the scheduler extender. Built by the controller's wiring.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "controller/serve/extender.h"

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

// POST /filter and POST /prioritize, for kube-scheduler. The same errors.
absl::StatusOr<std::unique_ptr<HttpServer>> StartExtenderServer(const std::string& listen, Extender extender);

}  // namespace truce::controller
