// The ring of the last samples.
#include "agent/profile/window.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <deque>

namespace truce::agent {
namespace {

RC_GTEST_PROP(WindowTest, IsTheNewestSamplesNewestFirst, ()) {
  const auto capacity = *rc::gen::inRange<size_t>(1, 20);
  const auto count = *rc::gen::inRange(0, 60);
  Window window(capacity);
  std::deque<int> expected;
  for (int i = 0; i < count; ++i) {
    Sample sample;
    sample.set(Reading::kCpuUsageCores, static_cast<double>(i));
    window.Add(sample);
    expected.push_front(i);
    if (expected.size() > capacity) expected.pop_back();
    RC_ASSERT(window.size() == expected.size());
    for (size_t age = 0; age < expected.size(); ++age) {
      RC_ASSERT(window.back(age).value(Reading::kCpuUsageCores) == expected[age]);
    }
  }
}

}  // namespace
}  // namespace truce::agent
