// truce-lab-load: the client of servers that truce-lab collect measures. Exit codes: 1 the server went away, 2 usage.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <string>

#include "lab/command_line.h"
#include "lab/load.h"

int main(int argc, char** argv) {
  CLI::App app{"truce-lab-load sends requests to a server on 127.0.0.1 and prints how fast it answers."};
  truce::lab::LoadOptions options;
  app.add_option("--port", options.port, "The server's port")->required()->check(CLI::Range(1, 65535));
  app.add_option("--connections", options.connections, "Requests under way at once")->check(CLI::Range(1, 1000));
  app.add_option("--prepare", options.prepare, "Sent once before, with \\r, \\n, \\t, \\\\ and \\0");
  app.add_option("--send", options.send, "The request, written the same way")->required();
  app.add_option("--until", options.until, "What an answer ends with, written the same way")->required();
  app.add_option("--rest", options.rest, "Rest after each answer, in units of the time that it took")
      ->check(truce::lab::Between(0.0, 1e6));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  for (std::string* text : {&options.prepare, &options.send, &options.until}) {
    const auto plain = truce::lab::Unescape(*text);
    if (!plain.ok()) {
      std::fprintf(stderr, "truce-lab-load: %s\n", std::string(plain.status().message()).c_str());
      return 2;
    }
    *text = *plain;
  }
  const absl::Status status = truce::lab::RunLoad(options, std::cout);
  std::fprintf(stderr, "truce-lab-load: %s\n", std::string(status.message()).c_str());
  return 1;
}
