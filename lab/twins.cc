#include "lab/twins.h"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "lab/running_program.h"
#include "src/base/status.h"
#include "src/base/text.h"
#include "src/host/file.h"

namespace truce::lab {

absl::StatusOr<std::unique_ptr<Twins>> Twins::Create(const TwinsOptions& options) {
  std::unique_ptr<Twins> twins(new Twins(options));
  TRUCE_RETURN_IF_ERROR(twins->SetUp());
  return twins;
}

Twins::~Twins() {
  CleanUp().IgnoreError();
}

absl::Status Twins::SetUp() {
  TRUCE_ASSIGN_OR_RETURN(layout_, host::CgroupLayout::Detect(options_.cgroup_root));
  TRUCE_RETURN_IF_ERROR(host::ScratchCgroups::RemoveAbandoned(*layout_, options_.prefix));
  const std::string name = StrCat(options_.prefix, getpid());
  auto cgroups = host::ScratchCgroups::Create(*layout_, name);
  if (!cgroups.ok()) return WithContext(cgroups.status(), "this needs cgroups of its own (run it as root)");
  cgroups_.emplace(*std::move(cgroups));
  directory_ = StrCat("/tmp/", name, ".XXXXXX");
  if (mkdtemp(directory_.data()) == nullptr) return ErrnoStatus(errno, "making a directory below /tmp");
  for (size_t i = 0; i < twins_.size(); ++i) {
    TRUCE_ASSIGN_OR_RETURN(twins_[i].workload, cgroups_->Add(options_.names[i]));
    twins_[i].controls_before = cgroups_->SnapshotControls(options_.names[i]);
  }
  TRUCE_ASSIGN_OR_RETURN(daemons_, StartSceneDaemons({.directory = directory_,
                                                      .binaries = options_.binaries,
                                                      .cgroup_root = options_.cgroup_root,
                                                      .victim = "",
                                                      .aggressor = StrCat(name, "/*"),
                                                      .scores = "evidence"}));
  return absl::OkStatus();
}

absl::Status Twins::Start(size_t which, const std::string& script) {
  ChildOptions child;
  child.arguments = {"/bin/sh", "-c", script};
  child.log_file = log_file(which);
  child.before_exec = [this, which] { return cgroups_->Enter(options_.names[which], 0); };
  TRUCE_ASSIGN_OR_RETURN(twins_[which].program, ChildProcess::Start(child));
  return absl::OkStatus();
}

absl::Status Twins::Check() {
  for (size_t i = 0; i < twins_.size(); ++i) {
    if (!twins_[i].program || twins_[i].program->Running()) continue;
    return absl::InternalError(StrCat("the program in ", name(i), " ended: ", LastLine(log_file(i))));
  }
  std::string log;
  if (daemons_->Healthy(&log)) return absl::OkStatus();
  const auto text = host::ReadFile(log);
  return absl::InternalError(StrCat("a daemon ended; its log says:\n", text.ok() ? *text : log));
}

absl::StatusOr<int> Twins::Finish() {
  if (daemons_ != nullptr) daemons_->Stop();
  int changed = 0;
  for (size_t i = 0; i < twins_.size(); ++i) {
    const std::vector<std::string> now = cgroups_->SnapshotControls(options_.names[i]);
    const std::vector<std::string>& before = twins_[i].controls_before;
    for (size_t j = 0; j < now.size(); ++j) {
      if (j >= before.size() || now[j] != before[j]) ++changed;
    }
  }
  TRUCE_RETURN_IF_ERROR(CleanUp());
  return changed;
}

absl::Status Twins::CleanUp() {
  if (daemons_ != nullptr) daemons_->Stop();
  daemons_.reset();
  absl::Status status;
  for (size_t i = 0; i < twins_.size(); ++i) {
    if (cgroups_ && !twins_[i].workload.empty()) status.Update(cgroups_->EndAndDrop(options_.names[i]));
    twins_[i] = {};
  }
  if (cgroups_) status.Update(cgroups_->Remove());
  cgroups_.reset();
  std::error_code error;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, error);
  directory_.clear();
  return status;
}

}  // namespace truce::lab
