// The half of format.h that knows UTF-8: what is printable, how wide it is, where it may be cut.
#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_format.h"
#include "controller/cli/format.h"

namespace truce::cli {
namespace {

// One decoded character and the bytes that it took. code is kBroken for a byte that starts no valid sequence.
struct Character {
  char32_t code;
  size_t size;
};
constexpr char32_t kBroken = 0xFFFFFFFF;

Character Decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return {kBroken, 1};
  char32_t code = first & (0x7Fu >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {kBroken, 1};
    code = (code << 6) | (byte(i) & 0x3Fu);
  }
  constexpr std::array<char32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[size] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {kBroken, 1};
  return {code, size};
}

using Range = std::pair<char32_t, char32_t>;
// Marks that sit on the character before them, and characters without a shape (Unicode 15, general categories Mn and
// Cf, the blocks that occur in names).
constexpr std::array<Range, 9> kZeroWidth = {{{0x0300, 0x036F},
                                              {0x0483, 0x0489},
                                              {0x0591, 0x05BD},
                                              {0x0610, 0x061A},
                                              {0x064B, 0x065F},
                                              {0x200B, 0x200D},
                                              {0x20D0, 0x20F0},
                                              {0xFE00, 0xFE0F},
                                              {0xFE20, 0xFE2F}}};
// East Asian Width W and F (Unicode 15, EastAsianWidth.txt, neighbouring ranges joined).
constexpr std::array<Range, 12> kTwoWide = {{{0x1100, 0x115F},
                                             {0x231A, 0x231B},
                                             {0x2E80, 0x303E},
                                             {0x3041, 0xA4CF},
                                             {0xA960, 0xA97C},
                                             {0xAC00, 0xD7A3},
                                             {0xF900, 0xFAFF},
                                             {0xFE30, 0xFE6F},
                                             {0xFF01, 0xFF60},
                                             {0xFFE0, 0xFFE6},
                                             {0x1F300, 0x1FAFF},
                                             {0x20000, 0x3FFFD}}};
// Characters that turn the direction of text or end a line: they would let a name rewrite the row that it stands in.
constexpr std::array<Range, 4> kUnsafe = {{{0x0080, 0x009F}, {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2066, 0x2069}}};

template <size_t N>
bool In(const std::array<Range, N>& ranges, char32_t code) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const Range& range) { return code >= range.first && code <= range.second; });
}

int Width(char32_t code) {
  if (In(kZeroWidth, code)) return 0;
  return In(kTwoWide, code) ? 2 : 1;
}

std::string Escape(std::string_view text, bool keep_newlines) {
  std::string result;
  while (!text.empty()) {
    const Character character = Decode(text);
    const std::string_view bytes = text.substr(0, character.size);
    const bool safe =
        character.code != kBroken && character.code >= 0x20 && character.code != 0x7F && !In(kUnsafe, character.code);
    if (safe || (keep_newlines && character.code == '\n')) {
      result += bytes;
    } else {
      for (const char byte : bytes) absl::StrAppendFormat(&result, "\\x%02x", static_cast<unsigned char>(byte));
    }
    text.remove_prefix(character.size);
  }
  return result;
}

}  // namespace

std::string Printable(std::string_view text) {
  return Escape(text, false);
}
std::string PrintableLines(std::string_view text) {
  return Escape(text, true);
}

int DisplayWidth(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const Character character = Decode(text);
    width += Width(character.code);
    text.remove_prefix(character.size);
  }
  return width;
}

std::string ElideMiddle(std::string_view text, int width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width < 1) return "";
  // The end of a workload's name says more than its beginning: it gets the odd column.
  const int head_width = (width - 1) / 2;
  const int tail_width = width - 1 - head_width;
  std::string head;
  std::string_view rest = text;
  for (int used = 0; !rest.empty();) {
    const Character character = Decode(rest);
    used += Width(character.code);
    if (used > head_width) break;
    head += rest.substr(0, character.size);
    rest.remove_prefix(character.size);
  }
  while (DisplayWidth(rest) > tail_width) rest.remove_prefix(Decode(rest).size);
  return head + "…" + std::string(rest);
}

std::vector<std::string> Wrap(std::string_view text, int width) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const size_t blank = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, blank);
    text.remove_prefix(std::min(blank + 1, text.size()));
    if (width > 0 && !lines.back().empty() && DisplayWidth(lines.back()) + 1 + DisplayWidth(word) > width) {
      lines.emplace_back();
    }
    if (!lines.back().empty()) lines.back() += ' ';
    lines.back() += word;
  }
  return lines;
}

}  // namespace truce::cli
