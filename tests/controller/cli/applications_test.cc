// What trucectl says of applications: who hurts whom by what, whom they are like, and why nothing is known yet.
#include <gmock/gmock.h>

#include "tests/controller/cli/fixture.h"

namespace truce::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

void AddResemblance(const std::string& name, double similarity,
                    google::protobuf::RepeatedPtrField<v1::Resemblance>* list) {
  v1::Resemblance* one = list->Add();
  one->set_name(name);
  one->set_similarity(similarity);
}

void AddKind(const std::string& kind, double hurts, double suffers, v1::Signature* signature) {
  v1::KindEffect* effect = signature->add_kinds();
  effect->set_kind(kind);
  effect->set_hurts_on_same_cpus_ratio(hurts);
  effect->set_hurts_on_own_cpus_ratio(hurts / 10);
  effect->set_suffers_on_same_cpus_ratio(suffers);
  effect->set_suffers_on_own_cpus_ratio(suffers / 10);
}

void AddResource(v1::Resource resource, double hurts, double suffers, v1::Signature* signature) {
  v1::ResourceEffect* effect = signature->add_resources();
  effect->set_resource(resource);
  effect->set_hurts_ratio(hurts);
  effect->set_suffers_ratio(suffers);
}

class ApplicationsTest : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    v1::ApplicationStatus* cache = controller_.applications.add_applications();
    cache->set_application("cache");
    cache->set_workload_count(12);
    for (const char* host : {"web-1", "web-2"}) cache->add_hosts(host);
    AddResemblance("sessions", 0.81, cache->mutable_resembles());
    v1::ApplicationSignature* learned = cache->mutable_learned();
    learned->set_sample_count(340);
    *learned->mutable_first_learned_at() = Ago(absl::Hours(50));
    *learned->mutable_last_learned_at() = Ago(absl::Seconds(20));
    v1::Signature* signature = learned->mutable_signature();
    signature->set_model_version("2026-11-20");
    signature->set_familiarity(0.75);
    AddResource(v1::RESOURCE_CPU, 0.1, 0.15, signature);
    AddResource(v1::RESOURCE_LLC, 0.25, 0.05, signature);
    AddKind("server", 0.3, 0.1, signature);
    AddKind("compression", 0.5, 0.3, signature);
    AddResemblance("redis-server", 0.934, signature->mutable_resembles());
    AddResemblance("memcached", 0.7, signature->mutable_resembles());
    v1::ApplicationStatus* batch = controller_.applications.add_applications();
    batch->set_application("batch");
    batch->set_workload_count(1);
    batch->add_hosts("web-1");
  }
  // Only the one of which nothing was learned.
  void LeaveBatchOnly() { controller_.applications.mutable_applications()->DeleteSubrange(0, 1); }
};

TEST_F(ApplicationsTest, TableSaysHowMuchByWhatAndLikeWhom) {
  const Result result = RunWith({"get", "applications"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            "NAME   WORKLOADS  HOSTS  HURTS  SUFFERS  MOST  LIKE               AGE\n"
            "cache         12      2    40%      20%  llc   redis-server 0.93   2d\n"
            "batch          1      1      -        -  -     -                    -\n");
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(RunWith({"get", "application", "-o", "name"}).out, "cache\nbatch\n");
  EXPECT_THAT(RunWith({"get", "applications", "cache", "-o", "wide"}).out,
              AllOf(HasSubstr("0.75"), HasSubstr("340"), HasSubstr("20s"), HasSubstr("2026-11-20")));
  EXPECT_EQ(controller_.applications_request.application(), "cache");
}

TEST_F(ApplicationsTest, AnApplicationIsLikeAnotherOneWhereNoProgramIsMoreAlike) {
  controller_.applications.mutable_applications(0)->mutable_resembles(0)->set_similarity(0.97);
  EXPECT_THAT(RunWith({"get", "applications"}).out, HasSubstr("sessions 0.97"));
}

TEST_F(ApplicationsTest, WhenNothingWasLearnedOfAnyItSaysWhy) {
  LeaveBatchOnly();
  const Result result = RunWith({"get", "applications"});
  EXPECT_THAT(result.out, HasSubstr("batch"));
  EXPECT_THAT(result.err, AllOf(HasSubstr("nothing was learned yet"), HasSubstr("no interference model")));
  controller_.applications.Clear();
  EXPECT_THAT(RunWith({"get", "applications"}).err, HasSubstr("no applications"));
}

TEST_F(ApplicationsTest, DescribeShowsItsEffectsByResourceAndByNeighbour) {
  const Result result = RunWith({"describe", "application", "cache"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(controller_.applications_request.application(), "cache");
  EXPECT_THAT(result.out, AllOf(HasSubstr("Hosts:          web-1, web-2\n"),
                                HasSubstr("from 340 signatures, the first 2d ago, the last 20s ago"),
                                HasSubstr("Hurts:          40%"), HasSubstr("Suffers:        20%")));
  const std::string by_resource =
      "By resource\n"
      "RESOURCE  HURTS  SUFFERS\n"
      "cpu         10%      15%\n"
      "llc         25%     5.0%\n";
  const std::string by_kind =
      "By kind of neighbour\n"
      "KIND         HURTS-SAME-CPUS  HURTS-OWN-CPUS  SUFFERS-SAME-CPUS  SUFFERS-OWN-CPUS\n"
      "server                   30%            3.0%                10%              1.0%\n"
      "compression              50%            5.0%                30%              3.0%\n";
  const std::string resembles =
      "Resembles\n"
      "NAME          IS                  SIMILARITY\n"
      "sessions      application               0.81\n"
      "redis-server  program of the lab        0.93\n"
      "memcached     program of the lab        0.70\n";
  EXPECT_THAT(result.out, AllOf(HasSubstr(by_resource), HasSubstr(by_kind), HasSubstr(resembles)));
}

TEST_F(ApplicationsTest, DescribeSaysWhyNothingWasLearnedInsteadOfEmptyTables) {
  LeaveBatchOnly();
  const Result result = RunWith({"describe", "application", "batch"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("Learned:        nothing yet: no host reports a signature"),
                                HasSubstr("not been at work for a minute"), HasSubstr("action of Truce holds it"),
                                Not(HasSubstr("By ")), Not(HasSubstr("Hurts"))));
}

TEST_F(ApplicationsTest, DescribeNamesTenHostsAndCountsTheRest) {
  for (int i = 3; i <= 13; ++i) controller_.applications.mutable_applications(0)->add_hosts(StrCat("web-", i));
  EXPECT_THAT(RunWith({"describe", "application", "cache"}).out, HasSubstr("web-9, web-10 and 3 more\n"));
}

TEST_F(ApplicationsTest, AnUnknownOneIsAFailureWithTheControllersWords) {
  controller_.failure = grpc::Status(grpc::StatusCode::NOT_FOUND, "no application is named \"nobody\"");
  const Result result = RunWith({"describe", "application", "nobody"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("no application is named \"nobody\""));
}

TEST_F(ApplicationsTest, AWorkloadResemblesWhatItsApplicationResembles) {
  v1::WorkloadStatus* workload = controller_.workloads.add_workloads();
  workload->set_host("web-1");
  workload->mutable_report()->mutable_workload()->set_name("cache.service");
  EXPECT_THAT(RunWith({"describe", "workload", "cache.service"}).out, HasSubstr("Resembles:      not known\n"))
      << "it belongs to no application";
  workload->mutable_report()->mutable_workload()->set_application("cache");
  EXPECT_THAT(RunWith({"describe", "workload", "cache.service"}).out,
              HasSubstr("Resembles:      redis-server 0.93, sessions 0.81, memcached 0.70\n"));
  EXPECT_EQ(controller_.applications_request.application(), "cache");
}

TEST_F(ApplicationsTest, OneCallAtMostTellsWhatSeveralWorkloadsResemble) {
  for (const char* host : {"web-1", "web-2"}) {
    v1::WorkloadStatus* workload = controller_.workloads.add_workloads();
    workload->set_host(host);
    workload->mutable_report()->mutable_workload()->set_name("cache.service");
    workload->mutable_report()->mutable_workload()->set_application("cache");
  }
  const std::string line = "Resembles:      redis-server 0.93";
  const std::string both = RunWith({"describe", "workload", "cache.service"}).out;
  EXPECT_NE(both.find(line), both.rfind(line)) << "each of the two says it: " << both;
  EXPECT_EQ(controller_.calls, 2) << "the workloads, and their application";
  controller_.workloads.mutable_workloads(1)->mutable_report()->mutable_workload()->set_application("batch");
  EXPECT_THAT(RunWith({"describe", "workload", "cache.service"}).out,
              AllOf(HasSubstr("Application:    batch"), Not(HasSubstr("Resembles"))));
  EXPECT_EQ(controller_.calls, 3) << "the workloads alone";
}

}  // namespace
}  // namespace truce::cli
