#include "controller/serve/http_server.h"

#include <httplib.h>

#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "src/base/text.h"

namespace truce::controller {
namespace {

class HttplibServer final : public HttpServer {
 public:
  HttplibServer(std::function<std::string()> metrics, std::function<std::string()> problem) {
    // Two threads are plenty for a scraper and a probe; the library's default is one per CPU and more.
    server_.new_task_queue = [] { return new httplib::ThreadPool(2); };
    // No client may keep a worker to itself, by an idle connection or a request that never ends.
    server_.set_keep_alive_max_count(1);
    server_.set_read_timeout(2);
    server_.set_payload_max_length(4096);
    // Linux lets two servers share a port without a word when SO_REUSEPORT is set, which is the library's default.
    server_.set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    server_.Get("/metrics", [metrics = std::move(metrics)](const httplib::Request&, httplib::Response& response) {
      response.set_content(metrics(), "text/plain; version=0.0.4; charset=utf-8");
    });
    server_.Get("/healthz", [problem = std::move(problem)](const httplib::Request&, httplib::Response& response) {
      const std::string text = problem();
      if (!text.empty()) response.status = 503;
      response.set_content((text.empty() ? std::string("ok") : text) + "\n", "text/plain; charset=utf-8");
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
      return absl::InvalidArgumentError(StrCat("http.listen: \"", listen, "\" is not host:port"));
    }
    std::string host = listen.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    const bool bound = port == 0 ? (port = server_.bind_to_any_port(host)) > 0 : server_.bind_to_port(host, port);
    if (!bound) {
      return absl::UnavailableError(StrCat("http.listen: ", listen,
                                           " can't be had: another program listens there, or the "
                                           "address is not this machine's; give another port, or 0 for any"));
    }
    address_ = StrCat(listen.substr(0, colon), ":", port);
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    return absl::OkStatus();
  }

  const std::string& address() const override { return address_; }

 private:
  httplib::Server server_;
  std::string address_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> StartHttpServer(const std::string& listen,
                                                            std::function<std::string()> metrics,
                                                            std::function<std::string()> problem) {
  auto server = std::make_unique<HttplibServer>(std::move(metrics), std::move(problem));
  if (auto status = server->Start(listen); !status.ok()) return status;
  return server;
}

}  // namespace truce::controller
