#include "controller/serve/http_server.h"

#include <httplib.h>
#include <spdlog/spdlog.h>

#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

// A pod and the names of all nodes of a large cluster.
constexpr size_t kMostExtenderBytes = size_t{8} << 20;
// A scraper and a probe; and schedulers, some of whom may hang: a kube-scheduler waits 200 ms and then goes on without.
constexpr size_t kScrapers = 2;
constexpr size_t kSchedulers = 8;

class HttplibServer final : public HttpServer {
 public:
  // `key` is the setting that says where it listens; so many clients are answered beside each other.
  HttplibServer(std::string key, size_t payload_bytes, size_t clients) : key_(std::move(key)) {
    // The library's default is one per CPU and more.
    server_.new_task_queue = [clients] { return new httplib::ThreadPool(clients); };
    // No client may keep a worker to itself, by an idle connection or a request that never ends.
    server_.set_keep_alive_max_count(1);
    server_.set_read_timeout(2);
    server_.set_write_timeout(2);
    server_.set_payload_max_length(payload_bytes);
    // Linux lets two servers share a port without a word when SO_REUSEPORT is set, which is the library's default.
    server_.set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
  }
  ~HttplibServer() override {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Start(const std::string& listen) {
    const size_t colon = listen.rfind(':');
    int port = -1;
    if (colon == std::string::npos || !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port < 0 || port > 65535) {
      return absl::InvalidArgumentError(StrCat(key_, ": \"", listen, "\" is not host:port"));
    }
    std::string host = listen.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    const bool bound = port == 0 ? (port = server_.bind_to_any_port(host)) > 0 : server_.bind_to_port(host, port);
    if (!bound) {
      return absl::UnavailableError(StrCat(key_, ": ", listen,
                                           " can't be had: another program listens there, or the "
                                           "address is not this machine's; give another port, or 0 for any"));
    }
    address_ = StrCat(listen.substr(0, colon), ":", port);
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    return absl::OkStatus();
  }

  const std::string& address() const override { return address_; }
  httplib::Server& server() { return server_; }

 private:
  const std::string key_;
  httplib::Server server_;
  std::string address_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> StartHttpServer(const std::string& listen,
                                                            std::function<std::string()> metrics,
                                                            std::function<std::string()> problem) {
  auto server = std::make_unique<HttplibServer>("http.listen", 4096, kScrapers);
  server->server().Get("/metrics",
                       [metrics = std::move(metrics)](const httplib::Request&, httplib::Response& response) {
                         response.set_content(metrics(), "text/plain; version=0.0.4; charset=utf-8");
                       });
  server->server().Get(
      "/healthz", [problem = std::move(problem)](const httplib::Request&, httplib::Response& response) {
        const std::string text = problem();
        if (!text.empty()) response.status = 503;
        response.set_content((text.empty() ? std::string("ok") : text) + "\n", "text/plain; charset=utf-8");
      });
  TRUCE_RETURN_IF_ERROR(server->Start(listen));
  return server;
}

absl::StatusOr<std::unique_ptr<HttpServer>> StartExtenderServer(const std::string& listen, Extender extender) {
  auto server = std::make_unique<HttplibServer>("extender.listen", kMostExtenderBytes, kSchedulers);
  const auto answer = [shared = std::make_shared<const Extender>(std::move(extender))](auto what) {
    return [shared, what](const httplib::Request& request, httplib::Response& response) {
      std::string problem;
      response.set_content(((*shared).*what)(request.body, &problem), "application/json");
      if (!problem.empty()) spdlog::warn("scheduler extender, {}: {}", request.path, problem);
    };
  };
  server->server().Post("/filter", answer(&Extender::Filter));
  server->server().Post("/prioritize", answer(&Extender::Prioritize));
  TRUCE_RETURN_IF_ERROR(server->Start(listen));
  return server;
}

}  // namespace truce::controller
