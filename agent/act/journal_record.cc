#include "agent/act/journal_record.h"

#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "src/base/text.h"

namespace truce::agent {
namespace {

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value & 1u) ? (value >> 1) ^ 0xEDB88320u : value >> 1;
    table[byte] = value;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = MakeTable();
constexpr size_t kChecksumDigits = 8;

}  // namespace

uint32_t Crc32(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFFu;
  for (const char byte : bytes) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFFu];
  return ~crc;
}

std::string EncodeRecord(const std::vector<std::string>& fields) {
  std::string body;
  for (const std::string& field : fields) {
    if (!body.empty()) body += '\t';
    body += absl::CEscape(field);
  }
  return StrCat(absl::StrFormat("%08x", Crc32(body)), "\t", body, "\n");
}

absl::StatusOr<std::vector<std::string>> DecodeRecord(std::string_view line) {
  if (line.size() < kChecksumDigits + 1 || line[kChecksumDigits] != '\t') return absl::DataLossError("no checksum");
  const std::string_view body = line.substr(kChecksumDigits + 1);
  if (line.substr(0, kChecksumDigits) != absl::StrFormat("%08x", Crc32(body))) {
    return absl::DataLossError("the checksum does not match");
  }
  std::vector<std::string> fields;
  for (const absl::string_view escaped : absl::StrSplit(AbslView(body), '\t')) {
    fields.emplace_back();
    if (!absl::CUnescape(escaped, &fields.back())) return absl::DataLossError("a field is not escaped as it should be");
  }
  return fields;
}

}  // namespace truce::agent
