// The word that somebody meant. For parse.cc's messages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace truce::cli {

// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other (optimal string
// alignment).
int EditDistance(std::string_view a, std::string_view b);

// The nearest of `known` when it is near enough to be a slip of the fingers (a third of the word, at most 3), or the
// only one that begins with `word`; empty otherwise.
std::string Nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace truce::cli
