// `truce-lab levers` as a program of its own, for guests: without what truce-lab learns with, which is large.
#include <CLI/CLI.hpp>
#include <functional>

#include "lab/levers/commands.h"

int main(int argc, char** argv) {
  CLI::App app;
  app.require_subcommand(1);
  std::function<int()> chosen;
  truce::lab::AddLeversCommand(app, chosen);
  CLI11_PARSE(app, argc, argv);
  return chosen();
}
