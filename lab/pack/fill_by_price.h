// Fills one server after another with what is worth most together, by prices that tell how scarce the rest of the fleet
// is for the rest of the requests: the start of the batch search.
#pragma once

#include "lab/pack/placement.h"

namespace truce::lab {

// Puts what is nowhere yet and in no affinity group into the rest of servers in use, then into others, always the one
// whose dearest load (load_prices.h) is worth most, until there is nothing left that it could place. Prices are found
// anew after every few servers. Does nothing to a problem that is too large for it.
void FillByPrice(Placement* placement);

}  // namespace truce::lab
