// Files that come with Truce: beside the binary in the build tree, in share/truce when it is installed.
#pragma once

#include <string>
#include <string_view>

namespace truce {

// The directory of the running binary.
std::string OwnDirectory();

// Where the shipped file or directory of that name is ("programs", "models/interference.truce"); it need not be there.
std::string ShippedPath(std::string_view name);

}  // namespace truce
