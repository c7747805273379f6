// Messages of the wire as YAML: keys are the proto's field names, enums lower-case words, durations like "30s", moments
// in RFC 3339. For -o yaml; policy files are read back by ReadPolicy.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "src/base/config.h"
#include "truce/v1/operator.pb.h"

namespace truce::cli {

// Every field of `message`, except absent optional ones and absent messages.
std::string MessageToYaml(const google::protobuf::Message& message);

// A policy as the file that `trucectl apply -f` reads: its version is a comment, and empty words are left out.
std::string PolicyToYaml(const v1::Policy& policy);

// `base` changed by `source`: a key that the file leaves out keeps its value, a list that it gives replaces the whole
// list. InvalidArgument has one "file:line: key: what is wrong" per problem, unknown keys among them. Whether the
// values make sense together is for the controller to say.
absl::StatusOr<v1::Policy> ReadPolicy(const ConfigSource& source, const v1::Policy& base);

}  // namespace truce::cli
