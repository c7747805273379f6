// Truce on two machines that run systemd on cgroup v2, with the agent as a service on each and the controller outside:
// units are changed through systemd on the one and, being delegated, directly on the other; and each is as it was
// before, whatever happens to the agent, to systemd's configuration or to the network.
#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <sstream>

#include "tests/e2e/fleet.h"
#include "tests/vm/guest.h"
#include "truce/v1/operator.pb.h"

namespace truce::vm {
namespace {

using e2e::ReadText;
using testing::HasSubstr;
using testing::Not;

constexpr char kVictim[] = "system.slice/shop-web.service";

// Works for 80 ms of CPU time and rests for 40 ms, again and again: two thirds of a CPU when nobody is in its way,
// however fast the machine is.
constexpr char kWeb[] = R"([Service]
ExecStart=/usr/bin/perl -e 'while (1) { my $begin = (times)[0]; 1 while (times)[0] - $begin < 0.08; select(undef, undef, undef, 0.04) }'
)";
// Counts five times as much, so that what it does to the other is beyond any doubt and any noise of the emulation.
constexpr char kBatch[] = R"([Service]
ExecStart=/bin/sh -c 'for i in 1 2 3 4; do perl -e "1 while 1" & done; wait'
CPUWeight=500
)";

// A unit's controls, also those whose controller systemd has not switched on: then what they would say. All CPUs are
// what is left of a pin where tasks are, since the kernel takes no empty list there.
constexpr char kControls[] = R"sh(show() { echo "$1=$(cat $1 2>/dev/null || echo $2)"; }
show cpu.max 'max 100000'; show cpu.weight 100; show cpu.idle 0; show memory.high max; show io.max ''
show cpuset.cpus '' | sed "s/=$(cat /sys/devices/system/cpu/possible)$/=/"
)sh";
// What they say of the job when nobody bounds it.
constexpr char kUnbound[] = "cpu.max=max 100000\ncpu.weight=500\ncpu.idle=0\nmemory.high=max\nio.max=\ncpuset.cpus=";

class VmTest : public testing::Test {
 protected:
  // Booting takes longest, so it is done once, for both at a time.
  static void SetUpTestSuite() {
    const char* image = std::getenv("TRUCE_VM_IMAGE");
    const char* disk = std::getenv("TRUCE_VM_DISK");
    if (image == nullptr || disk == nullptr) GTEST_FAIL() << "started by tests/vm/run.sh, not by hand";
    fleet_ =
        new e2e::Fleet({.addresses = {"127.0.0.1", kOutside}, .report_interval = "2s", .lease_time_to_live = "15s"});
    for (const char* name : {"guest-1", "guest-2"}) {
      fleet_->Issue("agent", name);
      guests_.push_back(std::make_unique<Guest>(name, image, disk, fleet_->Path(".")));
    }
    fleet_->StartController();
    for (const auto& guest : guests_) {
      const absl::Time began = absl::Now();
      ASSERT_TRUE(guest->WaitForBoot()) << guest->name();
      Install(*guest, /*delegated=*/guest == guests_[1]);
      std::printf("%s runs Truce after another %s\n", guest->name().c_str(),
                  absl::FormatDuration(absl::Trunc(absl::Now() - began, absl::Seconds(1))).c_str());
    }
    ASSERT_EQ(fleet_->Ctl({"set", "mode", "enforce", "--class", "best_effort"}).exit_code, 0);
    ready_ = true;
  }
  // Each scene has a job of its own: the controller learns from receipts which lever is worth it against whom, and what
  // one scene taught must not decide the next.
  void SetUp() override {
    ASSERT_TRUE(ready_) << "the machines did not come up";
    job_ = StrCat("batch-", ++scenes_);
    for (const auto& guest : guests_) {
      // A delegated unit is changed directly.
      guest->Put(StrCat("/etc/systemd/system/", job_, ".service"),
                 StrCat(kBatch, guest == guests_[1] ? "Delegate=yes\n" : ""));
      guest->Get("systemctl daemon-reload");
    }
  }
  static void TearDownTestSuite() {
    guests_.clear();
    delete fleet_;
    // Last, since of what is printed the middle may be cut.
    std::fprintf(stderr, "%s", summaries_.c_str());
  }
  void TearDown() override {
    if (!ready_) return;
    if (HasFailure()) Report();
    for (const auto& guest : guests_) guest->Get(StrCat("systemctl stop ", job_));
  }
  // The most telling of what is known of the scene's job.
  std::string Summary(Guest& guest) const {
    const std::string& host = guest.name();
    const std::string log =
        guest.Run(StrCat("journalctl -u truce-agent -o cat | grep ", job_, " | cut -c1-200 | tail -3")).output;
    return StrCat("--- ", testing::UnitTest::GetInstance()->current_test_info()->name(), ", ", host, ": ",
                  Changes(guest), "\n", log,
                  LinesWith("shop-web", fleet_->Ctl({"get", "workloads", "--host", host}).output, 300),
                  LinesWith(job_, fleet_->Ctl({"get", "pairs", "--host", host}).output, 300),
                  LinesWith(job_, fleet_->Ctl({"get", "decisions", "--host", host, "--limit", "2"}).output, 600));
  }
  void Report() const {
    for (const auto& guest : guests_) {
      const std::string summary = Summary(*guest);
      std::fprintf(stderr, "%s", summary.c_str());
      StrAppend(&summaries_, summary);
    }
    for (const char* noun : {"hosts", "pairs", "actions", "receipts", "decisions", "events"}) {
      std::fprintf(stderr, "--- %s\n%s\n", noun, fleet_->Ctl({"get", noun}).output.c_str());
    }
    for (const auto& guest : guests_) {
      std::fprintf(stderr, "--- %s\n%s\n", guest->name().c_str(),
                   guest->Run("journalctl -u truce-agent -o cat | tail -40").output.c_str());
    }
  }
  // The first that fit.
  static std::string LinesWith(const std::string& word, const std::string& text, size_t most) {
    std::string found;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.find(word) != std::string::npos) StrAppend(&found, line, "\n");
    }
    return found.substr(0, most);
  }

  // As docs/operating.md says.
  static void Install(Guest& guest, bool delegated) {
    guest.Get("mkdir -p /mnt/truce && mount -o ro /dev/vdb /mnt/truce && cp -r /mnt/truce/usr /mnt/truce/etc /");
    guest.Get(
        "sysctl -p /usr/lib/sysctl.d/60-truce.conf && systemd-sysusers && install -d -m 0755 /etc/truce "
        "/etc/truce/pki");
    const std::string port = fleet_->address().substr(fleet_->address().rfind(':'));
    guest.Put("/etc/truce/agent.yaml",
              StrCat("host: ", guest.name(), "\nsample: {interval: 1s}\nscore: {interval: 2s, from: evidence}\n",
                     "fingerprint: {least_samples: 20}\n",
                     // How an action ends is looked at here, not whether it helps an emulated machine.
                     "guard: {help_window: 30m}\n",
                     "discovery:\n  rules:\n    - {match: system.slice/shop-*.service, class: critical}\n",
                     "    - {match: system.slice/batch-*.service, class: best_effort",
                     // Chance is not to leave out the lever whose end takes most.
                     delegated ? ", levers: [cpu_pin]}\n" : ", levers: [cpu_pin, cpu_quota, cpu_weight]}\n",
                     "controller:\n  address: ", kOutside, port, "\n  longest_backoff: 5s\n"));
    guest.Put("/etc/truce/pki/ca.crt", ReadText(fleet_->Path("pki/ca.crt")));
    for (const char* kind : {".crt", ".key"}) {
      guest.Put(StrCat("/etc/truce/pki/agent", kind), ReadText(fleet_->Path(StrCat("pki/agent-", guest.name(), kind))),
                "0400");
    }
    guest.Get("chown truce-agent /etc/truce/pki/agent.*");
    // A delegated unit keeps every controller on for the units beside it.
    guest.Put("/etc/systemd/system/shop-web.service", StrCat(kWeb, "Delegate=yes\n"));
    guest.Get("systemctl daemon-reload && systemctl enable --now truce-agent && systemctl start shop-web");
  }

  static v1::HostStatus Host(const Guest& guest) {
    const auto hosts = fleet_->Get<v1::ListHostsResponse>({"get", "hosts", guest.name()});
    return hosts.hosts_size() == 1 ? hosts.hosts(0) : v1::HostStatus();
  }
  static bool IsWatched(const Guest& guest, const std::string& workload) {
    const auto workloads = fleet_->Get<v1::ListWorkloadsResponse>({"get", "workloads", "--host", guest.name()});
    return std::any_of(workloads.workloads().begin(), workloads.workloads().end(), [&](const auto& status) {
      return status.report().workload().name() == workload && status.report().diagnosis() == v1::DIAGNOSIS_HEALTHY;
    });
  }
  // Of an action on the scene's job.
  bool HasReceipt(const Guest& guest, v1::ReceiptOutcome outcome) const {
    const auto receipts = fleet_->Get<v1::ListReceiptsResponse>({"get", "receipts", "--host", guest.name()});
    return std::any_of(receipts.receipts().begin(), receipts.receipts().end(), [&](const v1::ReceiptRecord& record) {
      return record.receipt().outcome() == outcome &&
             record.receipt().action().workload() == StrCat("system.slice/", job_, ".service");
    });
  }
  static std::string Events(const Guest& guest) {
    return fleet_->Ctl({"get", "events", "--host", guest.name()}).output;
  }

  std::string Controls(Guest& guest) const {
    return guest.Get(StrCat("cd /sys/fs/cgroup/system.slice/", job_, ".service || exit 1\n", kControls));
  }
  bool IsBound(Guest& guest) const { return Controls(guest) != kUnbound; }
  // A quiet machine whose victim is known, then a job beside it, and what comes of that. An agent that learned what is
  // usual amid the noise of another machine may see nothing in the job, so a second one begins anew: what is looked at
  // here is how actions end. More than a few such agents are no noise.
  void StartJob(Guest& guest, const std::function<bool()>& consequence) const {
    constexpr int kMostBlindAgents = 3;
    bool came = false;
    while (!came && blind_agents_ <= kMostBlindAgents) {
      EXPECT_TRUE(Eventually([&] { return Host(guest).connected() && IsWatched(guest, kVictim); }));
      guest.Get(StrCat("systemctl start ", job_));
      const absl::Time began = absl::Now();
      came = Eventually(consequence, absl::Minutes(1));
      std::printf("%s: %s %.0f s after the job's start: %s\n", guest.name().c_str(),
                  came ? "acted upon" : "not acted upon", absl::ToDoubleSeconds(absl::Now() - began),
                  Changes(guest).c_str());
      if (came) return;
      ++blind_agents_;
      StrAppend(&summaries_, Summary(guest));
      RestartAgent(guest);
    }
    ADD_FAILURE() << blind_agents_ << " agents saw nothing in a job that hurts its victim";
  }
  void ComeUnderAction(Guest& guest) const {
    StartJob(guest, [&] { return IsBound(guest); });
  }
  // It learns anew what is usual, on a quiet machine; what it said before must not be taken for that.
  void RestartAgent(Guest& guest) const {
    guest.Get(StrCat("systemctl stop ", job_, "; systemctl restart truce-agent"));
    EXPECT_TRUE(Eventually([&] { return !IsWatched(guest, kVictim); }));
  }
  // What is bound, in one line.
  std::string Changes(Guest& guest) const {
    if (guest.Run(StrCat("systemctl is-active --quiet ", job_)).exit_code != 0) return "the job does not run";
    std::string changes;
    std::istringstream lines(Controls(guest));
    for (std::string line; std::getline(lines, line);) {
      if (StrCat(kUnbound, "\n").find(line + "\n") == std::string::npos) {
        StrAppend(&changes, changes.empty() ? "" : ", ", line);
      }
    }
    return changes;
  }

  static e2e::Fleet* fleet_;
  static std::vector<std::unique_ptr<Guest>> guests_;
  static bool ready_;
  static int scenes_;
  // In all scenes.
  static int blind_agents_;
  static std::string summaries_;
  // The job's unit.
  std::string job_;
};

e2e::Fleet* VmTest::fleet_ = nullptr;
std::vector<std::unique_ptr<Guest>> VmTest::guests_;
bool VmTest::ready_ = false;
int VmTest::scenes_ = 0;
int VmTest::blind_agents_ = 0;
std::string VmTest::summaries_;

TEST_F(VmTest, TheAgentsConnectAndLackNothingThatTheyNeed) {
  for (const auto& guest : guests_) {
    EXPECT_TRUE(Eventually([&] { return Host(*guest).connected(); })) << guest->name();
    EXPECT_EQ(Host(*guest).inventory().cgroup_layout(), v1::CGROUP_LAYOUT_V2);
    // A systemd that is busy with its boot may answer late, and is asked again.
    const auto lacks_nothing = [&] {
      const v1::HostInventory inventory = Host(*guest).inventory();
      return std::all_of(inventory.missing().begin(), inventory.missing().end(), [](const auto& missing) {
        return missing.name() == "pmu" || missing.name() == "model" || missing.name() == "resctrl";
      });
    };
    EXPECT_TRUE(Eventually(lacks_nothing)) << Host(*guest).inventory().ShortDebugString();
    EXPECT_EQ(guest->Get("systemctl show -P User truce-agent"), "truce-agent");
    // An emulated machine has no PMU; that must be all that stands in the way of one.
    const v1::HostInventory inventory = Host(*guest).inventory();
    for (const v1::MissingCapability& missing : inventory.missing()) {
      if (missing.name() != "pmu") continue;
      EXPECT_THAT(missing.reason(), HasSubstr("no PMU"));
    }
  }
}

TEST_F(VmTest, AUnitIsChangedThroughSystemdAndADaemonReloadChangesNothing) {
  Guest& guest = *guests_[0];
  ComeUnderAction(guest);
  EXPECT_THAT(guest.Get(StrCat("systemctl show -p AllowedCPUs -p CPUQuotaPerSecUSec -p CPUWeight ", job_)) + "\n",
              testing::AnyOf(HasSubstr("AllowedCPUs=0\n"), HasSubstr("AllowedCPUs=1\n"),
                             Not(HasSubstr("CPUQuotaPerSecUSec=infinity")), HasSubstr("CPUWeight=10\n")));
  const std::string victim = guest.Get("systemctl show shop-web -p AllowedCPUs -p CPUQuotaPerSecUSec -p CPUWeight");
  EXPECT_THAT(victim, HasSubstr("CPUQuotaPerSecUSec=infinity")) << "a critical workload is never reduced";
  guest.Get("systemctl daemon-reload && sleep 5");
  EXPECT_TRUE(IsBound(guest)) << "the action holds";
  EXPECT_THAT(Events(guest), Not(HasSubstr("control_reset"))) << "and nobody had to write it again";
  guest.Get("systemctl stop truce-agent");
  EXPECT_EQ(Controls(guest), kUnbound) << "an agent that stops leaves nothing";
  EXPECT_EQ(guest.Get(StrCat("systemctl show -P AllowedCPUs ", job_)), "") << "nor with systemd";
  guest.Get(StrCat("systemctl stop ", job_, "; systemctl start truce-agent"));
}

TEST_F(VmTest, ADelegatedUnitIsChangedDirectlyAndHeldAgainstADaemonReload) {
  Guest& guest = *guests_[1];
  ComeUnderAction(guest);
  guest.Get("systemctl daemon-reload && sleep 10");
  EXPECT_TRUE(Eventually([&] { return IsBound(guest); }));
  EXPECT_THAT(Events(guest), Not(HasSubstr("control_given_up")));
}

TEST_F(VmTest, AKilledAgentLeavesNothingBehind) {
  Guest& guest = *guests_[0];
  // Time to look before the next agent takes up what is still wanted.
  guest.Put("/run/systemd/system/truce-agent.service.d/later.conf", "[Service]\nRestartSec=30s\n");
  guest.Get("systemctl daemon-reload");
  ComeUnderAction(guest);
  const absl::Time killed = absl::Now();
  guest.Get("systemctl kill -s KILL truce-agent");
  EXPECT_TRUE(Eventually([&] { return !IsBound(guest); }, absl::Seconds(25))) << Changes(guest);
  std::printf("%s: as it was before %.1f s after SIGKILL\n", guest.name().c_str(),
              absl::ToDoubleSeconds(absl::Now() - killed));
  // An agent that stops restores by itself, and leaves none to that.
  EXPECT_THAT(guest.Get("journalctl -u truce-agent -o cat"),
              testing::ContainsRegex("[1-9][0-9]* control files? restored"))
      << "by ExecStopPost";
  // The next agent is not to learn that the job is usual.
  guest.Get(StrCat("systemctl stop ", job_));
  EXPECT_TRUE(Eventually([&] { return guest.Get("systemctl show -P NRestarts truce-agent") != "0"; }));
  EXPECT_TRUE(Eventually([&] { return Host(guest).connected(); }));
}

TEST_F(VmTest, WithoutANetworkLeasesRunOutAndComeBackWithIt) {
  Guest& guest = *guests_[1];
  ComeUnderAction(guest);
  guest.SetLink(false);
  const absl::Time cut = absl::Now();
  EXPECT_TRUE(Eventually([&] { return !IsBound(guest); })) << Changes(guest);
  std::printf("%s: as it was before %.0f s after its network was cut\n", guest.name().c_str(),
              absl::ToDoubleSeconds(absl::Now() - cut));
  EXPECT_TRUE(Eventually([&] { return !Host(guest).connected(); }));
  guest.SetLink(true);
  const absl::Time back = absl::Now();
  EXPECT_TRUE(Eventually([&] { return HasReceipt(guest, v1::RECEIPT_OUTCOME_EXPIRED); }));
  EXPECT_TRUE(Eventually([&] { return IsBound(guest); }));
  std::printf("%s: acted upon again %.0f s after its network came back\n", guest.name().c_str(),
              absl::ToDoubleSeconds(absl::Now() - back));
}

TEST_F(VmTest, WithoutARuleForPolkitUnitsAreOnlyWatched) {
  Guest& guest = *guests_[0];
  guest.Get("mv /etc/polkit-1/rules.d/50-truce-agent.rules /tmp && systemctl restart polkit truce-agent");
  EXPECT_TRUE(Eventually([&] {
    const v1::HostInventory inventory = Host(guest).inventory();
    return std::any_of(inventory.missing().begin(), inventory.missing().end(), [](const auto& missing) {
      return missing.name() == "systemd" && missing.reason().find("50-truce-agent.rules") != std::string::npos;
    });
  })) << fleet_->Ctl({"describe", "host", guest.name()}).output;
  StartJob(guest, [&] { return Events(guest).find("systemd owns the controls") != std::string::npos; });
  EXPECT_EQ(Controls(guest), kUnbound);
}

// On cgroup v2 with all controllers, where a squeeze does something whatever the host has left.
TEST_F(VmTest, EveryLeverDoesWhatItSaysAndLeavesEveryFileAsItWas) {
  Guest& guest = *guests_[1];
  guest.Get("systemctl stop truce-agent shop-web");
  guest.Get(
      "systemd-run --unit=levers -p StandardOutput=file:/tmp/levers.json -p StandardError=file:/tmp/levers.log "
      "vm-levers levers --rounds 1 -o json --work-directory /var/lib/truce-lab");
  EXPECT_TRUE(Eventually([&] { return !guest.Run("systemctl is-active levers").output.starts_with("activ"); },
                         absl::Minutes(8)));
  const std::string log = guest.Get("cat /tmp/levers.log");
  std::printf("%s", log.c_str());
  EXPECT_THAT(log, Not(HasSubstr("failed")));
  for (std::string_view rest = log; rest.find("left out: ") != std::string_view::npos;) {
    rest.remove_prefix(rest.find("left out: ") + 10);
    EXPECT_TRUE(rest.starts_with("cache_class")) << "everything else that levers need is in the guest: " << rest;
  }
  google::protobuf::ListValue figures;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(guest.Get("cat /tmp/levers.json"), &figures).ok());
  int as_before = 0;
  for (const auto& value : figures.values()) {
    const auto& figure = value.struct_value().fields();
    if (figure.at("name").string_value().find("as before") == std::string::npos) continue;
    EXPECT_EQ(figure.at("value").number_value(), 1) << figure.at("name").string_value();
    ++as_before;
  }
  EXPECT_GE(as_before, 7) << "one for each lever";
  guest.Get("systemctl start truce-agent shop-web");
}

// What was set at run time outlives the unit's cgroup, and must not outlive the action.
TEST_F(VmTest, AUnitThatIsRestartedUnderAnActionIsFree) {
  Guest& guest = *guests_[0];
  guest.Get("mv /tmp/50-truce-agent.rules /etc/polkit-1/rules.d/ && systemctl restart polkit");
  RestartAgent(guest);
  ComeUnderAction(guest);
  guest.Get(StrCat("systemctl stop ", job_));
  EXPECT_TRUE(Eventually([&] { return HasReceipt(guest, v1::RECEIPT_OUTCOME_WORKLOAD_GONE); }));
  guest.Get(StrCat("systemctl stop truce-agent; systemctl start ", job_));
  EXPECT_EQ(Controls(guest), kUnbound);
}

}  // namespace
}  // namespace truce::vm
