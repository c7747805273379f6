// truce-lab: what an operator measures with. Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

#include "models/lab/scene.h"
#include "src/base/shutdown.h"

namespace {

// The daemons live beside this binary, in the build tree and when installed.
std::string OwnDirectory() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

int RunScene(truce::lab::SceneOptions options) {
  truce::ShutdownSignals signals;
  if (options.binaries.empty()) options.binaries = OwnDirectory();
  const absl::Status status = truce::lab::RunScene(options, signals);
  if (status.ok()) return 0;
  if (signals.signal() != 0) {
    std::fprintf(stderr, "\ninterrupted; everything was ended and restored\n");
    return options.keep ? 0 : 130;
  }
  std::fprintf(stderr, "truce-lab: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "truce-lab measures what workloads do to each other on this host.\n\n"
      "Examples:\n"
      "  truce-lab scene            Truce's main job with redis-server and stress-ng, end to end, in two minutes\n"
      "  truce-lab scene --keep     the same, then stay up to look around with trucectl\n"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "truce-lab " TRUCE_VERSION);
  truce::lab::SceneOptions scene;
  CLI::App* scene_command = app.add_subcommand("scene", "Protect a real redis-server from a real stress-ng");
  scene_command->add_flag("--keep", scene.keep, "Stay up after the summary until Ctrl-C");
  scene_command->add_option("--binaries", scene.binaries,
                            "Where truce-agent and truce-controller are (default: beside truce-lab)");
  scene_command->add_option("--path.cgroup", scene.cgroup_root, "Where the cgroup trees are mounted")
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return RunScene(scene);
}
