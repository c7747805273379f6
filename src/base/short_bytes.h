// Bytes as people are shown them everywhere.
#pragma once

#include <string>

namespace truce {

// "8.8M", "512", "1.2T": in units of 1024.
std::string ShortBytes(double bytes);

}  // namespace truce
