// The configuration reader: an operator's mistake must be refused with file and line, never swallowed.
#include "src/base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "src/base/status.h"
#include "tests/fixtures/tree.h"

namespace truce {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct Rule {
  std::string match;
  std::vector<int> ports;
};

// One key of every kind.
struct Settings {
  std::string name = "default";
  bool on = false;
  double ratio = 0.5;
  int count = 3;
  absl::Duration interval = absl::Seconds(1);
  std::vector<std::string> words = {"a"};
  int colour = 1;
  std::vector<Rule> rules = {{"default", {}}};
};

absl::StatusOr<Settings> ReadAll(const ConfigSource& source) {
  Settings settings;
  ConfigReader reader(source);
  reader.Read("name", &settings.name);
  reader.Read("deep.on", &settings.on);
  reader.Read("deep.ratio", &settings.ratio, {0.0, 1.0});
  reader.Read("deep.count", &settings.count, {1, 10});
  reader.Read("deep.interval", &settings.interval, {absl::Milliseconds(100), absl::Minutes(1)});
  reader.Read("words", &settings.words);
  reader.ReadEnum("colour", &settings.colour, {{"red", 1}, {"green", 2}});
  reader.ReadList(
      "rules", [&] { settings.rules.clear(); },
      [&](ConfigReader& element) {
        Rule rule;
        element.Read("match", &rule.match);
        element.ReadList(
            "ports", [] {},
            [&](ConfigReader& port) {
              int number = 0;
              port.Read("number", &number, {1, 65535});
              rule.ports.push_back(number);
            });
        settings.rules.push_back(rule);
      });
  TRUCE_RETURN_IF_ERROR(reader.Finish());
  return settings;
}

ConfigSource File(const std::string& text) {
  ConfigSource source;
  source.file = "truce.yaml";
  source.text = text;
  return source;
}

std::string ErrorOf(const ConfigSource& source) {
  const auto settings = ReadAll(source);
  EXPECT_FALSE(settings.ok()) << source.text;
  EXPECT_TRUE(settings.ok() || absl::IsInvalidArgument(settings.status()));
  return std::string(settings.status().message());
}

TEST(ConfigTest, AnEmptyFileLeavesEveryDefault) {
  for (const char* text : {"", "\n", "# nothing\n", "---\n", "deep:\n"}) {
    const auto settings = ReadAll(File(text));
    ASSERT_TRUE(settings.ok()) << settings.status() << " for '" << text << "'";
    EXPECT_EQ(settings->name, "default");
    EXPECT_EQ(settings->count, 3);
    EXPECT_THAT(settings->words, ElementsAre("a"));
    EXPECT_EQ(settings->rules.size(), 1u);
  }
}

TEST(ConfigTest, EveryKindIsRead) {
  const auto settings = ReadAll(File(R"(
name: web
deep: {on: yes, ratio: 0.25, count: 7, interval: 1m}
words: [x, "y z"]
colour: green
rules:
  - match: a/*
  - match: b
    ports:
      - number: 80
      - number: 443
)"));
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->name, "web");
  EXPECT_TRUE(settings->on);
  EXPECT_EQ(settings->ratio, 0.25);
  EXPECT_EQ(settings->count, 7);
  EXPECT_EQ(settings->interval, absl::Minutes(1));
  EXPECT_THAT(settings->words, ElementsAre("x", "y z"));
  EXPECT_EQ(settings->colour, 2);
  ASSERT_EQ(settings->rules.size(), 2u);
  EXPECT_EQ(settings->rules[0].match, "a/*");
  EXPECT_THAT(settings->rules[1].ports, ElementsAre(80, 443));
}

TEST(ConfigTest, AFlagBeatsTheEnvironmentWhichBeatsTheFileWhichBeatsTheDefault) {
  ConfigSource source = File("deep: {count: 4, ratio: 0.1}\nname: file\n");
  source.environment = {{"deep.count", "5"}, {"name", "environment"}};
  source.flags = {{"deep.count", "6"}};
  const auto settings = ReadAll(source);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->count, 6);
  EXPECT_EQ(settings->name, "environment");
  EXPECT_EQ(settings->ratio, 0.1);
  EXPECT_EQ(settings->interval, absl::Seconds(1));
}

TEST(ConfigTest, FlagsAndVariablesCarryListsToo) {
  ConfigSource source = File("");
  source.flags = {{"words", "p,q"}, {"rules", "[{match: a}, {match: b}]"}};
  const auto settings = ReadAll(source);
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_THAT(settings->words, ElementsAre("p", "q"));
  ASSERT_EQ(settings->rules.size(), 2u);
  EXPECT_EQ(settings->rules[1].match, "b");
}

TEST(ConfigTest, AnUnknownKeyIsNamedWithItsFileAndLine) {
  EXPECT_EQ(ErrorOf(File("name: a\nnmae: b\n")), "truce.yaml:2: nmae: unknown key");
  EXPECT_EQ(ErrorOf(File("deep:\n  count: 2\n  cuont: 2\n")), "truce.yaml:3: deep.cuont: unknown key");
  EXPECT_EQ(ErrorOf(File("deep:\n  other:\n    count: 2\n")), "truce.yaml:2: deep.other: unknown key");
}

TEST(ConfigTest, ADottedKeyIsNotQuietlyIgnored) {
  EXPECT_THAT(ErrorOf(File("name: a\ndeep.count: 5\n")), HasSubstr("truce.yaml:2: deep.count: "));
}

TEST(ConfigTest, AnUnknownFlagOrVariableIsNamed) {
  ConfigSource source = File("");
  source.flags = {{"cuont", "1"}};
  source.environment = {{"deep.cuont", "2"}};
  const std::string error = ErrorOf(source);
  EXPECT_THAT(error, HasSubstr("--set cuont: unknown key"));
  EXPECT_THAT(error, HasSubstr("environment variable for deep.cuont: unknown key"));
}

TEST(ConfigTest, AnUnknownKeyInAListElementAndInANestedListIsNamed) {
  EXPECT_EQ(ErrorOf(File("rules:\n  - match: a\n    mtach: b\n")), "truce.yaml:3: rules[0].mtach: unknown key");
  EXPECT_EQ(ErrorOf(File("rules:\n  - match: a\n  - ports:\n      - number: 1\n        nubmer: 2\n")),
            "truce.yaml:5: rules[1].ports[0].nubmer: unknown key");
}

TEST(ConfigTest, AKeyGivenTwiceIsRefused) {
  EXPECT_EQ(ErrorOf(File("name: a\nname: b\n")), "truce.yaml:2: name: given twice");
  EXPECT_EQ(ErrorOf(File("deep:\n  count: 2\n  count: 3\n")), "truce.yaml:3: deep.count: given twice");
  EXPECT_EQ(ErrorOf(File("rules:\n  - match: a\n    match: b\n")), "truce.yaml:3: rules[0].match: given twice");
}

TEST(ConfigTest, AWrongTypeSaysWhatIsExpected) {
  const struct {
    const char* text;
    const char* error;
  } kCases[] = {
      {"name: [a]\n", "truce.yaml:1: name: expected a text"},
      {"deep: {on: 3}\n", "truce.yaml:1: deep.on: '3' is not true or false"},
      {"deep: {ratio: much}\n", "truce.yaml:1: deep.ratio: 'much' is not a number"},
      {"deep: {ratio: .nan}\n", "truce.yaml:1: deep.ratio: '.nan' is not a number"},
      {"deep: {ratio: nan}\n", "truce.yaml:1: deep.ratio: 'nan' is not a number"},
      {"deep: {count: 2.5}\n", "truce.yaml:1: deep.count: '2.5' is not a whole number"},
      {"deep: {count: 99999999999}\n", "truce.yaml:1: deep.count: '99999999999' is not a whole number"},
      {"deep: {interval: 5}\n", "is not a duration; write it with a unit, such as 500ms, 5s or 10m"},
      {"deep: {interval: {a: 1}}\n", "deep.interval: '' is not a duration"},
      {"words: {a: 1}\n", "truce.yaml:1: words: expected a list of texts"},
      {"words: [[a]]\n", "truce.yaml:1: words: expected a list of texts"},
      {"colour: blue\n", "truce.yaml:1: colour: 'blue' is not one of red, green"},
      {"rules: {match: a}\n", "truce.yaml:1: rules: expected a list"},
      {"rules: [a]\n", "truce.yaml:1: rules: each element must be a mapping"},
      {"deep: 4\n", "truce.yaml:1: deep: expected a mapping"},
      {"- a\n- b\n", "truce.yaml:1: the file must be a mapping of keys to values"},
      {"just words\n", "truce.yaml:1: the file must be a mapping of keys to values"},
  };
  for (const auto& test : kCases) EXPECT_THAT(ErrorOf(File(test.text)), HasSubstr(test.error)) << test.text;
}

TEST(ConfigTest, BoundsAreInclusiveAndNamed) {
  EXPECT_TRUE(ReadAll(File("deep: {count: 1, ratio: 1, interval: 100ms}\n")).ok());
  EXPECT_TRUE(ReadAll(File("deep: {count: 10, ratio: 0, interval: 1m}\n")).ok());
  EXPECT_THAT(ErrorOf(File("deep: {count: 11}\n")), HasSubstr("11 is out of range; expected at least 1 at most 10"));
  EXPECT_THAT(ErrorOf(File("deep: {count: 0}\n")), HasSubstr("deep.count: 0 is out of range"));
  EXPECT_THAT(ErrorOf(File("deep: {ratio: 1.01}\n")), HasSubstr("deep.ratio: 1.01 is out of range"));
  EXPECT_THAT(ErrorOf(File("deep: {interval: 99ms}\n")), HasSubstr("expected at least 100ms at most 1m"));
  EXPECT_THAT(ErrorOf(File("deep: {interval: inf}\n")), HasSubstr("deep.interval: inf is out of range"));
  EXPECT_EQ(ErrorOf(File("rules:\n  - ports:\n      - number: 1\n      - number: 0\n")),
            "truce.yaml:4: rules[0].ports[1].number: 0 is out of range; expected at least 1 at most 65535");
}

TEST(ConfigTest, BrokenYamlNamesItsLine) {
  EXPECT_THAT(ErrorOf(File("name: a\ndeep: {count: 1\nwords: ]\n")),
              testing::StartsWith("truce.yaml:3: not valid YAML"));
  ConfigSource source = File("");
  source.flags = {{"rules", "[{match: a"}};
  EXPECT_THAT(ErrorOf(source), HasSubstr("rules: not valid YAML"));
}

TEST(ConfigTest, ASecondDocumentIsNotQuietlyIgnored) {
  EXPECT_THAT(ErrorOf(File("name: a\n---\nname: b\n")), HasSubstr("truce.yaml:"));
}

TEST(ConfigTest, EveryProblemIsReportedAtOnceAndTheValueStaysAtItsDefault) {
  ConfigSource source = File("nmae: a\ndeep:\n  count: 99\n  on: maybe\nrules:\n  - match: a\n    x: 1\n");
  source.flags = {{"deep.ratio", "7"}};
  const std::string error = ErrorOf(source);
  EXPECT_THAT(error, HasSubstr("truce.yaml:1: nmae: unknown key"));
  EXPECT_THAT(error, HasSubstr("truce.yaml:3: deep.count: 99"));
  EXPECT_THAT(error, HasSubstr("truce.yaml:4: deep.on: 'maybe'"));
  EXPECT_THAT(error, HasSubstr("truce.yaml:7: rules[0].x: unknown key"));
  EXPECT_THAT(error, HasSubstr("deep.ratio: 7 is out of range"));
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 4);

  int count = 3;
  ConfigReader reader(File("count: 99\n"));
  reader.Read("count", &count, {1, 10});
  EXPECT_EQ(count, 3);
}

TEST(ConfigTest, ACallersErrorCarriesTheLine) {
  ConfigReader reader(File("a: 1\nb: 2\n"));
  int value = 0;
  reader.Read("a", &value);
  reader.Read("b", &value);
  reader.Error("b", "is beyond a");
  EXPECT_EQ(reader.Finish().message(), "truce.yaml:2: b: is beyond a");
}

TEST(ConfigTest, KnownKeysListElementsWithBrackets) {
  ConfigReader reader(File("rules: [{match: a}]\n"));
  std::string text;
  reader.Read("name", &text);
  reader.ReadList(
      "rules", [] {}, [&](ConfigReader& element) { element.Read("match", &text); });
  EXPECT_THAT(reader.known_keys(), ElementsAre("name", "rules", "rules[].match"));
}

TEST(LoadConfigSourceTest, TheEnvironmentMapsTwoUnderscoresToADot) {
  setenv("TRUCE_TEST_DEEP__COUNT", "9", 1);
  setenv("TRUCE_TEST_A_B", "x=y", 1);
  setenv("TRUCE_OTHER", "1", 1);
  const auto source = LoadConfigSource("", "TRUCE_TEST_", {{"name", "f"}});
  unsetenv("TRUCE_TEST_DEEP__COUNT");
  unsetenv("TRUCE_TEST_A_B");
  unsetenv("TRUCE_OTHER");
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ(source->environment, (std::map<std::string, std::string>{{"deep.count", "9"}, {"a_b", "x=y"}}));
  EXPECT_EQ(source->flags.at("name"), "f");
}

TEST(LoadConfigSourceTest, ANamedFileThatCannotBeReadIsAnError) {
  test::Tree tree({{"good.yaml", "name: a\n"}});
  const auto good = LoadConfigSource(tree.Path("good.yaml"), "TRUCE_TEST_", {});
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(good->text, "name: a\n");
  const auto missing = LoadConfigSource(tree.Path("missing.yaml"), "TRUCE_TEST_", {});
  EXPECT_TRUE(absl::IsNotFound(missing.status())) << missing.status();
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("missing.yaml"));
  // Opens, but has no bytes to read.
  const auto directory = LoadConfigSource(tree.root(), "TRUCE_TEST_", {});
  ASSERT_FALSE(directory.ok());
  EXPECT_THAT(std::string(directory.status().message()), HasSubstr(tree.root()));
  const auto endless = LoadConfigSource("/dev/zero", "TRUCE_TEST_", {});
  EXPECT_TRUE(absl::IsInvalidArgument(endless.status())) << endless.status();
  EXPECT_THAT(std::string(endless.status().message()), HasSubstr("/dev/zero is larger than a megabyte"));
}

}  // namespace
}  // namespace truce
