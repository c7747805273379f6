// What truce-lab consolidate refuses on its command line.
#include "lab/consolidate/commands.h"

#include <gmock/gmock.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "src/base/text.h"

namespace truce::lab {
namespace {

// What parsing says; empty when it takes the arguments.
std::string ErrorOf(const std::string& arguments) {
  CLI::App app;
  std::function<int()> chosen;
  AddConsolidateCommand(app, chosen);
  try {
    app.parse("consolidate --format planetlab --input day.csv " + arguments);
  } catch (const CLI::ParseError& error) {
    return error.what();
  }
  return "";
}

TEST(ConsolidateCommandTest, WhatIsNoNumberIsRefusedWithItsFlag) {
  EXPECT_EQ(ErrorOf("--fill -5 --empty 10 --relieve 0.5 --threshold 1"), "");
  for (const std::string flag : {"--fill", "--empty", "--relieve", "--threshold"}) {
    for (const std::string value : {"nan", "inf", "11"}) {
      EXPECT_THAT(ErrorOf(StrCat(flag, " ", value)),
                  testing::StartsWith(StrCat(flag, ": ", value, " is no number from")));
    }
  }
}

}  // namespace
}  // namespace truce::lab
