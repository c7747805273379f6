// The one place where Debian's absl::string_view and std::string_view meet.
#include "src/base/text.h"

#include <gtest/gtest.h>

namespace truce {
namespace {

TEST(TextTest, StrCatTakesEveryKindOfText) {
  const std::string owned = "b";
  const std::string_view view("cx", 1);  // not terminated where it ends
  const absl::string_view other("dx", 1);
  EXPECT_EQ(StrCat("a", owned, view, other, 5, -6, 0.5, uint64_t{7}), "abcd5-60.57");
  EXPECT_EQ(StrCat(), "");
  EXPECT_EQ(StrCat(std::string_view()), "");
}

TEST(TextTest, Utf8IsToldFromOtherBytes) {
  for (const std::string_view good :
       {"", "plain", "gr\xC3\xBC\xC3\x9F", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  // A lone continuation, a cut sequence, overlong forms, a surrogate, beyond the last code point, bytes that never
  // occur.
  for (const std::string_view bad :
       {"\x80", "a\xC3", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "bad\xFF\xFE"}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
  }
}

TEST(TextTest, StrAppendKeepsWhatIsThere) {
  std::string text = "a";
  StrAppend(&text, std::string_view("b"), 1);
  StrAppend(&text);
  EXPECT_EQ(text, "ab1");
}

TEST(TextTest, ViewsShareTheCharactersAndMayHoldNul) {
  const std::string_view view("a\0b", 3);
  EXPECT_EQ(AbslView(view).data(), view.data());
  EXPECT_EQ(AbslView(view).size(), 3u);
  EXPECT_EQ(StdView(AbslView(view)), view);
}

}  // namespace
}  // namespace truce
