// What truce-lab storage refuses on its command line.
#include "lab/storage/commands.h"

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
  AddStorageCommand(app, chosen);
  try {
    app.parse("storage --directory /srv --output sda.storage " + arguments);
  } catch (const CLI::ParseError& error) {
    return error.what();
  }
  return "";
}

TEST(StorageCommandTest, ALimitThatIsNoNumberIsRefusedWithItsFlag) {
  EXPECT_EQ(ErrorOf("--most-bytes 1e6 --most-iops 100"), "");
  for (const std::string flag : {"--most-bytes", "--most-iops"}) {
    for (const std::string value : {"nan", "inf", "0"}) {
      EXPECT_THAT(ErrorOf(StrCat(flag, " ", value)),
                  testing::StartsWith(StrCat(flag, ": ", value, " is no number from")));
    }
  }
}

}  // namespace
}  // namespace truce::lab
