#include "models/training/gradient_exchange.h"

#include <algorithm>
#include <vector>

#include "src/base/status.h"
#include "src/base/text.h"

namespace truce {

absl::Status CheckSame(std::string_view what, absl::Span<const double> values, GradientExchange& exchange) {
  const size_t count = values.size();
  std::vector<double> table(count * static_cast<size_t>(exchange.processes()));
  std::copy(values.begin(), values.end(), table.begin() + exchange.rank() * static_cast<std::ptrdiff_t>(count));
  TRUCE_RETURN_IF_ERROR(exchange.Sum(absl::MakeSpan(table)));
  for (int rank = 1; rank < exchange.processes(); ++rank) {
    if (!std::equal(table.begin(), table.begin() + static_cast<std::ptrdiff_t>(count),
                    table.begin() + rank * static_cast<std::ptrdiff_t>(count))) {
      return absl::FailedPreconditionError(
          StrCat("process ", rank, " has other ", what, " than process 0; start all with the same"));
    }
  }
  return absl::OkStatus();
}

}  // namespace truce
