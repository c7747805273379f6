// A control writer for tests: fails chosen writes with an errno of choice, and calls a hook before and after each step
// so that a test can stop (or kill) the process exactly there. Wraps a real writer.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "src/host/writer.h"

namespace truce::host {

class FaultyControlWriter final : public ControlWriter {
 public:
  // `inner` does the work and outlives this object.
  explicit FaultyControlWriter(ControlWriter& inner) : inner_(inner) {}

  // Makes the n-th write from now on (1 is the next one) fail with `error`, once. A write counts whether or not the
  // value would change.
  void FailWrite(int n, int error) { failures_[writes_ + n] = error; }
  // Makes every write to files whose name ends with `suffix` fail with `error` until told otherwise by error 0.
  void FailFile(std::string_view suffix, int error);
  // Makes every write of just this value to files whose name ends with `suffix` fail with `error`, as a kernel does
  // that does not take it now.
  void RefuseValue(std::string_view suffix, std::string_view value, int error) {
    refused_ = {std::string(suffix), std::string(value), error};
  }
  // Called as hook("before write FILE") and hook("after write FILE").
  void SetHook(std::function<void(std::string_view step)> hook) { hook_ = std::move(hook); }
  // Writes asked for so far.
  int writes() const { return writes_; }

  absl::StatusOr<std::string> Read(const ControlFile& control) override { return inner_.Read(control); }
  absl::Status Write(const ControlFile& control, std::string_view value) override;
  bool Outlives(const ControlFile& control) const override { return inner_.Outlives(control); }
  absl::StatusOr<bool> Forget(const std::string& path, Controller controller, const std::string& file,
                              std::string_view value) override {
    return inner_.Forget(path, controller, file, value);
  }

 private:
  void Step(std::string_view when, const ControlFile& control);

  ControlWriter& inner_;
  int writes_ = 0;
  std::map<int, int> failures_;                            // by number of the write
  std::map<std::string, int, std::less<>> failing_files_;  // by suffix
  struct Refused {
    std::string suffix;
    std::string value;
    int error = 0;
  } refused_;
  std::function<void(std::string_view)> hook_;
};

}  // namespace truce::host
