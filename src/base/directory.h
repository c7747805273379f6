// Whether a path in a configuration can be a directory. Both daemons ask before they start.
#pragma once

#include <optional>
#include <string>

namespace truce {

// What is in the way of there being a directory, for a message that begins with the key; nullopt when it is there or
// can be made. What can't be looked at is not in the way.
std::optional<std::string> NoDirectory(const std::string& directory);

}  // namespace truce
