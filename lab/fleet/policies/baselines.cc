#include "lab/fleet/policies/baselines.h"

#include <algorithm>
#include <limits>
#include <random>
#include <utility>

#include "lab/fleet/policies/ledger.h"

namespace truce::lab::fleet {
namespace {

class Scored : public Placer {
 public:
  Scored(std::string name, double overcommit) : name_(std::move(name)), ledger_(overcommit) {}
  std::string_view name() const override { return name_; }
  void OnHosts(const std::vector<HostFacts>& hosts) override { ledger_.SetHosts(hosts); }
  void OnArrival(const Request& request, size_t host) override { ledger_.Add(request, host); }
  void OnMoved(const Move& move) override { ledger_.Move(move.workload, move.to); }
  void OnDeparture(int64_t workload) override { ledger_.Remove(workload); }
  void OnReport(const HostReport&) override {}
  absl::StatusOr<std::optional<size_t>> Place(const Request& request) override {
    std::optional<size_t> best;
    double most = -std::numeric_limits<double>::infinity();
    for (size_t host = 0; host < ledger_.hosts().size(); ++host) {
      if (!ledger_.Fits(request, host)) continue;
      const double score = Score(request, host);
      if (score <= most) continue;
      most = score;
      best = host;
    }
    return best;
  }

 protected:
  virtual double Score(const Request& request, size_t host) = 0;
  const Ledger& ledger() const { return ledger_; }
  // Parts of what may be asked for that stay free with it.
  Load FreeWith(const Request& request, size_t host) const {
    const Load most = ledger_.Most(host);
    const Load& asked = ledger_.asked(host);
    return {1 - (asked.cpus + request.cpus) / most.cpus, 1 - (asked.memory_gib + request.memory_gib) / most.memory_gib};
  }

 private:
  const std::string name_;
  Ledger ledger_;
};

class FirstFit final : public Scored {
 public:
  explicit FirstFit(double overcommit) : Scored("first-fit", overcommit) {}
  double Score(const Request&, size_t host) override { return -static_cast<double>(host); }
};

class BestFit final : public Scored {
 public:
  explicit BestFit(double overcommit) : Scored("best-fit", overcommit) {}
  double Score(const Request& request, size_t host) override {
    const Load free = FreeWith(request, host);
    return -(free.cpus + free.memory_gib);
  }
};

class DotProduct final : public Scored {
 public:
  explicit DotProduct(double overcommit) : Scored("dot-product", overcommit) {}
  double Score(const Request& request, size_t host) override {
    const Load most = ledger().Most(host);
    const Load& asked = ledger().asked(host);
    return request.cpus / most.cpus * (1 - asked.cpus / most.cpus) +
           request.memory_gib / most.memory_gib * (1 - asked.memory_gib / most.memory_gib);
  }
};

class RandomSpread final : public Scored {
 public:
  RandomSpread(double overcommit, uint64_t seed) : Scored("random-spread", overcommit), random_(seed) {}
  double Score(const Request&, size_t) override { return static_cast<double>(random_()); }

 private:
  std::mt19937_64 random_;
};

class LeastAllocated final : public Scored {
 public:
  explicit LeastAllocated(double overcommit) : Scored("least-allocated", overcommit) {}
  double Score(const Request& request, size_t host) override {
    const Load free = FreeWith(request, host);
    return (free.cpus + free.memory_gib) / 2;
  }
};

class RiskBalancing final : public Scored {
 public:
  explicit RiskBalancing(double overcommit) : Scored("risk-balancing", overcommit) {}
  void OnHosts(const std::vector<HostFacts>& hosts) override {
    Scored::OnHosts(hosts);
    used_.assign(hosts.size(), {});
  }
  void OnArrival(const Request& request, size_t host) override {
    Scored::OnArrival(request, host);
    used_[host].placed.cpus += request.cpus;
    used_[host].placed.memory_gib += request.memory_gib;
  }
  void OnReport(const HostReport& report) override {
    used_[report.host] = {report.cpu_mean_cores, report.cpu_stddev_cores, report.memory_gib, {}};
  }
  double Score(const Request& request, size_t host) override {
    const HostFacts& facts = ledger().hosts()[host];
    const Used& used = used_[host];
    const double cpu_mean = (used.cpu_mean + used.placed.cpus + request.cpus) / facts.cpus;
    const double cpu = Risk(cpu_mean, used.cpu_stddev / facts.cpus);
    const double memory = Risk((used.memory_gib + used.placed.memory_gib + request.memory_gib) / facts.memory_gib, 0);
    return 1 - std::max(cpu, memory);
  }

 private:
  struct Used {
    double cpu_mean = 0;
    double cpu_stddev = 0;
    double memory_gib = 0;
    Load placed;
  };
  // With margin and sensitivity 1.
  static double Risk(double mean, double stddev) {
    return (std::clamp(mean, 0.0, 1.0) + std::clamp(stddev, 0.0, 1.0)) / 2;
  }
  std::vector<Used> used_;
};

}  // namespace

std::unique_ptr<Placer> MakeFirstFit(double overcommit) {
  return std::make_unique<FirstFit>(overcommit);
}
std::unique_ptr<Placer> MakeBestFit(double overcommit) {
  return std::make_unique<BestFit>(overcommit);
}
std::unique_ptr<Placer> MakeDotProduct(double overcommit) {
  return std::make_unique<DotProduct>(overcommit);
}
std::unique_ptr<Placer> MakeRandomSpread(double overcommit, uint64_t seed) {
  return std::make_unique<RandomSpread>(overcommit, seed);
}
std::unique_ptr<Placer> MakeLeastAllocated(double overcommit) {
  return std::make_unique<LeastAllocated>(overcommit);
}
std::unique_ptr<Placer> MakeRiskBalancing(double overcommit) {
  return std::make_unique<RiskBalancing>(overcommit);
}

std::vector<std::string> BaselineNames() {
  return {"first-fit", "best-fit", "dot-product", "random-spread", "least-allocated", "risk-balancing"};
}

std::unique_ptr<Placer> MakeBaseline(std::string_view name, double overcommit, uint64_t seed) {
  if (name == "first-fit") return MakeFirstFit(overcommit);
  if (name == "best-fit") return MakeBestFit(overcommit);
  if (name == "dot-product") return MakeDotProduct(overcommit);
  if (name == "random-spread") return MakeRandomSpread(overcommit, seed);
  if (name == "least-allocated") return MakeLeastAllocated(overcommit);
  if (name == "risk-balancing") return MakeRiskBalancing(overcommit);
  return nullptr;
}

}  // namespace truce::lab::fleet
