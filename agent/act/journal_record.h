// Lines of the journal: what they say and how they are written. Only agent/act/journal.cc uses it; tests read it too.
//
//   CHECKSUM \t KIND \t FIELD \t FIELD ... \n
//
// The checksum is CRC-32 (IEEE 802.3) of everything between its tab and the newline, in eight hex digits. Fields are
// C-escaped, so a line is printable and a field may hold any bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace truce::agent {

// CRC-32 as in IEEE 802.3, zlib and gzip (reflected polynomial 0xEDB88320).
uint32_t Crc32(std::string_view bytes);

// One line, newline included. fields[0] is the kind.
std::string EncodeRecord(const std::vector<std::string>& fields);

// The fields of one line (without its newline), or DataLoss saying what is broken.
absl::StatusOr<std::vector<std::string>> DecodeRecord(std::string_view line);

}  // namespace truce::agent
