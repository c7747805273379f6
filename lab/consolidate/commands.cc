#include "lab/consolidate/commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "lab/command_line.h"
#include "lab/consolidate/cloud.h"
#include "lab/consolidate/dvfs.h"
#include "lab/consolidate/foresight.h"
#include "lab/consolidate/setup.h"
#include "lab/consolidate/thr_mmt.h"
#include "src/base/text.h"

namespace truce::lab {
namespace {

struct ConsolidateArguments {
  std::string format;
  std::string input;
  std::string policy = "foresight";
  size_t hosts = 800;
  double threshold = 0.8;
  ForesightOptions foresight;
  OutputFormat shown;
};

int RunConsolidate(const ConsolidateArguments& arguments) {
  const auto centre = ReadPlanetLabCentre(arguments.input, arguments.hosts);
  if (!centre.ok()) return Failed(centre.status());
  std::unique_ptr<Consolidator> consolidator = std::make_unique<ForesightPolicy>(arguments.foresight);
  if (arguments.policy == "dvfs") consolidator = std::make_unique<Dvfs>();
  if (arguments.policy == "thr-mmt") consolidator = std::make_unique<ThrMmt>(arguments.threshold);
  const auto result = Cloud(*centre, *consolidator).Run();
  if (!result.ok()) return Failed(result.status());
  FigureTable table;
  const auto add = [&](std::string name, double value, std::string unit) {
    table.Add({StrCat(arguments.policy, " ", name), value, std::move(unit), std::nullopt, std::nullopt});
  };
  add("energy", result->energy_kwh, "kWh");
  add("migrations", static_cast<double>(result->migrations), "");
  add("SLAV", 100 * result->slav(), "%");
  add("SLATAH", 100 * result->slatah, "%");
  add("PDM", 100 * result->pdm, "%");
  add("CPU time not granted", 100 * result->lacking, "%");
  add("mean hosts in use", result->mean_hosts, "");
  return ShowFigures(table, arguments.shown.kind(), arguments.shown.check, std::cout);
}

}  // namespace

void AddConsolidateCommand(CLI::App& app, std::function<int()>& chosen) {
  const auto arguments = std::make_shared<ConsolidateArguments>();
  CLI::App* consolidate = app.add_subcommand("consolidate", "Consolidate the VMs of a simulated data centre for a day");
  consolidate->add_option("--format", arguments->format, "planetlab")->required()->check(CLI::IsMember({"planetlab"}));
  consolidate->add_option("--input", arguments->input, "A day: lines of vm,t0..t287 in percent")->required();
  consolidate->add_option("--hosts", arguments->hosts, "HP ProLiant ML110 G4 and G5 in turn")
      ->check(CLI::Range(size_t{1}, size_t{1'000'000}))
      ->capture_default_str();
  consolidate->add_option("--policy", arguments->policy, "foresight (ours), thr-mmt or dvfs")
      ->check(CLI::IsMember({"foresight", "thr-mmt", "dvfs"}))
      ->capture_default_str();
  consolidate->add_option("--threshold", arguments->threshold, "thr-mmt: a host in use beyond that is relieved")
      ->check(Between(0.01, 1.0))
      ->capture_default_str();
  consolidate
      ->add_option("--fill", arguments->foresight.fill_sigmas,
                   "foresight: standard deviations of what VMs will need that are kept free")
      ->check(Between(-5.0, 10.0))
      ->capture_default_str();
  consolidate
      ->add_option("--empty", arguments->foresight.empty_sigmas,
                   "foresight: as many are kept free when a host is emptied")
      ->check(Between(-5.0, 10.0))
      ->capture_default_str();
  consolidate
      ->add_option("--relieve", arguments->foresight.relieve_sigmas,
                   "foresight: with fewer kept free, a host is relieved")
      ->check(Between(-5.0, 10.0))
      ->capture_default_str();
  AddFormat(consolidate, arguments->shown);
  consolidate->callback([=, &chosen] { chosen = [=] { return RunConsolidate(*arguments); }; });
}

}  // namespace truce::lab
