// Database's part that keeps what workloads used.
#include "absl/strings/escaping.h"
#include "controller/store/database.h"
#include "src/base/soci_without_boost.h"

namespace truce::controller {
namespace {

constexpr long long kKept = kMostStoredDemandBlocks;

}  // namespace

absl::Status Database::SaveDemandBlock(const v1::DemandBlock& block) {
  return Guard("writing what a workload used", [&] {
    const long long at = block.began_at().seconds() * 1'000'000;
    const std::string body = absl::Base64Escape(block.SerializeAsString());
    *sql_ << "DELETE FROM demand_blocks WHERE host = :host AND workload = :workload AND at = :at",
        soci::use(block.host()), soci::use(block.workload()), soci::use(at);
    *sql_ << "INSERT INTO demand_blocks (host, workload, at, body) VALUES (:host, :workload, :at, :body)",
        soci::use(block.host()), soci::use(block.workload()), soci::use(at), soci::use(body);
  });
}

std::vector<v1::DemandBlock> Database::LoadDemandBlocks() {
  std::vector<v1::DemandBlock> blocks;
  soci::rowset<std::string> bodies =
      (sql_->prepare << "SELECT body FROM (SELECT body, at FROM demand_blocks ORDER BY at DESC LIMIT :kept) AS newest "
                        "ORDER BY at",
       soci::use(kKept));
  for (const auto& body : bodies) {
    // What can't be read, because something else wrote into it, is as good as not there.
    std::string bytes;
    v1::DemandBlock block;
    if (absl::Base64Unescape(body, &bytes) && block.ParseFromString(bytes)) blocks.push_back(std::move(block));
  }
  return blocks;
}

void Database::PruneDemandBlocks() {
  *sql_ << "DELETE FROM demand_blocks WHERE rowid IN (SELECT rowid FROM demand_blocks ORDER BY at DESC LIMIT -1 OFFSET "
           ":kept)",
      soci::use(kKept);
}

}  // namespace truce::controller
