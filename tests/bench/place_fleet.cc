#include "tests/bench/place_fleet.h"

#include <algorithm>
#include <cmath>

#include "src/base/text.h"

namespace truce::bench {
namespace {

constexpr size_t kApplications = 300;
constexpr int kHostCpus[] = {16, 32, 64};
constexpr double kBytesPerCore = 4e9;
constexpr double kUsual = 0.2;

// What a workload of the application uses, in cores: from 0.1 to some.
double CoresOf(size_t application) {
  return 0.1 + 0.3 * static_cast<double>((application * 7919) % 17) / 4;
}

v1::WorkloadClass ClassOf(size_t application) {
  switch (application % 5) {
    case 0:
      return v1::WORKLOAD_CLASS_CRITICAL;
    case 1:
    case 2:
      return v1::WORKLOAD_CLASS_BEST_EFFORT;
    default:
      return v1::WORKLOAD_CLASS_STANDARD;
  }
}

v1::Signature MakeSignature(std::mt19937_64& random) {
  std::lognormal_distribution<double> effect(std::log(kUsual), 1);
  v1::Signature signature;
  signature.set_model_version("bench");
  signature.set_familiarity(1);
  for (int r = v1::RESOURCE_CPU; r <= v1::RESOURCE_NETWORK; ++r) {
    v1::ResourceEffect& one = *signature.add_resources();
    one.set_resource(static_cast<v1::Resource>(r));
    one.set_usual_ratio(kUsual / 50);
    one.set_hurts_ratio(effect(random) / 50);
    one.set_suffers_ratio(effect(random) / 50);
  }
  return signature;
}

v1::Hello MakeHello(int host) {
  v1::Hello hello;
  hello.set_protocol_version(1);
  hello.set_mode(v1::MODE_OBSERVE);
  hello.set_mode_ceiling(v1::MODE_ENFORCE);
  hello.mutable_report_interval()->set_seconds(5);
  v1::HostInventory& inventory = *hello.mutable_inventory();
  inventory.set_host(StrCat("host-", host));
  inventory.set_fault_domain(StrCat("rack-", host / 40));
  const int cpus = kHostCpus[host % std::size(kHostCpus)];
  for (int i = 0; i < cpus; ++i) {
    v1::Cpu& cpu = *inventory.add_cpus();
    cpu.set_id(static_cast<uint32_t>(i));
    cpu.set_core(static_cast<uint32_t>(i / 2));
  }
  inventory.set_memory_bytes(static_cast<uint64_t>(cpus * kBytesPerCore));
  return hello;
}

}  // namespace

std::string ApplicationName(size_t application) {
  return StrCat("application-", application);
}

PlaceFleet MakePlaceFleet(int hosts, int workloads, uint64_t seed, double load) {
  std::mt19937_64 random(seed);
  PlaceFleet fleet;
  for (size_t a = 0; a < kApplications; ++a) fleet.signatures.push_back(MakeSignature(random));
  // By CPUs: a large host has more of them.
  std::vector<double> weights;
  for (int h = 0; h < hosts; ++h) {
    fleet.hellos.push_back(MakeHello(h));
    fleet.reports.emplace_back().set_sequence(1);
    weights.push_back(fleet.hellos.back().inventory().cpus_size());
  }
  std::discrete_distribution<size_t> some_host(weights.begin(), weights.end());
  std::uniform_real_distribution<double> around(0.5, 1.5);
  for (int w = 0; w < workloads; ++w) {
    const size_t application = random() % kApplications;
    v1::WorkloadReport& report = *fleet.reports[some_host(random)].add_workloads();
    report.mutable_workload()->set_name(StrCat("kubepods.slice/pod-", w, ".service"));
    report.mutable_workload()->set_application(ApplicationName(application));
    report.mutable_workload()->set_workload_class(ClassOf(application));
    report.mutable_workload()->add_allowed_levers(v1::LEVER_MIGRATE);
    report.mutable_workload()->add_migration_drivers("qemu");
    const double cores = load * CoresOf(application) * around(random);
    report.mutable_readings()->set_cpu_usage_cores(cores);
    report.mutable_readings()->set_memory_working_set_bytes(cores * kBytesPerCore * around(random));
  }
  return fleet;
}

v1::WorkloadDescription SomeWorkload(const PlaceFleet& fleet, std::mt19937_64& random) {
  v1::WorkloadDescription workload;
  const size_t application = random() % fleet.signatures.size();
  workload.set_application(ApplicationName(application));
  workload.set_workload_class(ClassOf(application));
  workload.set_cpu_cores(CoresOf(application));
  workload.set_memory_bytes(static_cast<uint64_t>(CoresOf(application) * kBytesPerCore));
  return workload;
}

}  // namespace truce::bench
