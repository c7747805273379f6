#include "src/rpc/unreachable.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace truce::rpc {
namespace {

// The first that is in the text counts.
constexpr std::array<std::pair<std::string_view, Hindrance>, 12> kWords = {{
    {"wrong version number", Hindrance::kNoTls},
    {"certificate verify failed", Hindrance::kOtherAuthority},
    {"Hostname Verification Check failed", Hindrance::kOtherName},
    {"is not in peer certificate", Hindrance::kOtherName},
    {"Ssl handshake failed", Hindrance::kOtherAuthority},
    {"Connection refused", Hindrance::kNothingListens},
    {"Domain name not found", Hindrance::kUnresolved},
    {"DNS resolution failed", Hindrance::kUnresolved},
    {"Socket closed", Hindrance::kClosed},
    {"reset by peer", Hindrance::kClosed},
    {"Broken pipe", Hindrance::kClosed},
    {"closing transport", Hindrance::kClosed},
}};

}  // namespace

Hindrance HindranceOf(const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) return Hindrance::kNoAnswer;
  const std::string detail = status.error_message();  // a copy: gRPC may return it by value
  for (const auto& [words, hindrance] : kWords) {
    if (detail.find(words) != std::string::npos) return hindrance;
  }
  return Hindrance::kUnknown;
}

}  // namespace truce::rpc
