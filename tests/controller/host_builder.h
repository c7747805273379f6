// Small hosts for the tests of the controller, said in a line each.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "truce/v1/agent.pb.h"

namespace truce::controller {

// CPUs 0..count-1: `threads` SMT threads a core (numbered next to each other), `llc_cpus` CPUs in an LLC domain.
inline void AddCpus(int count, int threads, int llc_cpus, v1::HostInventory* inventory) {
  for (int i = 0; i < count; ++i) {
    auto* cpu = inventory->add_cpus();
    cpu->set_id(static_cast<uint32_t>(i));
    cpu->set_core(static_cast<uint32_t>(i / threads));
    cpu->set_llc(static_cast<uint32_t>(i / llc_cpus));
  }
}

inline v1::Hello MakeHello(const std::string& host, int cpus = 4, v1::Mode ceiling = v1::MODE_ENFORCE) {
  v1::Hello hello;
  hello.set_protocol_version(1);
  hello.set_mode(ceiling);
  hello.set_mode_ceiling(ceiling);
  hello.mutable_slow_interval()->set_seconds(5);
  hello.mutable_inventory()->set_host(host);
  hello.mutable_inventory()->set_memory_bytes(uint64_t{8} << 30);
  hello.mutable_inventory()->set_agent_version("0.1.0");
  AddCpus(cpus, 1, cpus, hello.mutable_inventory());
  return hello;
}

// A sound signature with one resource and one kind; `hurts` is every slowdown in it.
inline v1::Signature MakeSignature(const std::string& model, const std::vector<float>& embedding, double hurts = 0.2) {
  v1::Signature signature;
  signature.set_model_version(model);
  signature.mutable_embedding()->Add(embedding.begin(), embedding.end());
  signature.set_familiarity(0.5);
  v1::ResourceEffect* by_resource = signature.add_resources();
  by_resource->set_resource(v1::RESOURCE_LLC);
  by_resource->set_hurts_ratio(hurts);
  by_resource->set_suffers_ratio(hurts);
  v1::KindEffect* by_kind = signature.add_kinds();
  by_kind->set_kind("server");
  by_kind->set_hurts_on_same_cpus_ratio(hurts);
  by_kind->set_hurts_on_own_cpus_ratio(hurts);
  by_kind->set_suffers_on_same_cpus_ratio(hurts);
  by_kind->set_suffers_on_own_cpus_ratio(hurts);
  return signature;
}

struct WorkloadSpec {
  std::string name;
  v1::WorkloadClass workload_class = v1::WORKLOAD_CLASS_STANDARD;
  double usage = 1;
  int priority = 0;
  v1::Diagnosis diagnosis = v1::DIAGNOSIS_HEALTHY;
};

inline v1::WorkloadReport* AddWorkload(const WorkloadSpec& spec, v1::Report* report) {
  auto* workload = report->add_workloads();
  workload->mutable_workload()->set_name(spec.name);
  workload->mutable_workload()->set_instance(7);
  workload->mutable_workload()->set_workload_class(spec.workload_class);
  workload->mutable_workload()->set_priority(spec.priority);
  workload->mutable_workload()->set_mode(v1::MODE_ENFORCE);
  workload->mutable_workload()->add_allowed_levers(v1::LEVER_CPU_PIN);
  workload->mutable_workload()->add_allowed_levers(v1::LEVER_CPU_QUOTA);
  workload->mutable_readings()->set_cpu_usage_cores(spec.usage);
  workload->set_diagnosis(spec.diagnosis);
  return workload;
}

inline v1::PairScore* AddPair(const std::string& victim, const std::string& aggressor, double score, v1::Report* report,
                              v1::Resource resource = v1::RESOURCE_CPU) {
  auto* pair = report->add_pairs();
  pair->set_victim(victim);
  pair->set_aggressor(aggressor);
  pair->set_score(score);
  pair->set_severity(0.4);
  pair->set_confidence(0.8);
  pair->set_resource(resource);
  return pair;
}

// The usual scene: a critical redis that suffers from a best-effort stress.
inline v1::Report MakeScene(double score = 90, double stress_usage = 2, v1::Resource resource = v1::RESOURCE_CPU) {
  v1::Report report;
  AddWorkload({"truce/redis", v1::WORKLOAD_CLASS_CRITICAL, 0.8, 0, v1::DIAGNOSIS_NEIGHBOUR}, &report);
  AddWorkload({"truce/stress", v1::WORKLOAD_CLASS_BEST_EFFORT, stress_usage}, &report);
  AddPair("truce/redis", "truce/stress", score, &report, resource);
  return report;
}

}  // namespace truce::controller
