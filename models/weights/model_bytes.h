// What the files of all models have in common: eight bytes that say which kind it is, the SHA-256 of the rest, and a
// message of proto/truce/v1/model.proto. Pure: reading and writing files is the caller's.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "models/matrix.h"
#include "truce/v1/model.pb.h"

namespace truce {

// No model of ours is larger.
inline constexpr size_t kMostModelBytes = size_t{16} << 20;
// Bytes of what says which kind of model it is.
inline constexpr size_t kModelMagicBytes = 8;

std::string WrapModel(std::string_view magic, const google::protobuf::MessageLite& message);

// DataLoss, with the remedy, when the bytes are not what WrapModel made of such a message. `name` is the file's, for
// people.
absl::Status UnwrapModel(std::string_view bytes, std::string_view magic, std::string_view name,
                         google::protobuf::MessageLite* message);

// What UnwrapModel and what reads the message say of a model that can't be used.
absl::Status DamagedModel(std::string_view name, std::string_view what);

// FailedPrecondition when a model's file has another format than the one that this build reads.
absl::Status CheckModelFormat(uint32_t format, uint32_t known, std::string_view name);
// What is said of a model whose self-test gives another result here.
absl::Status FailedSelfTest(std::string_view name);

// The checksum that such bytes carry, in hexadecimal digits.
std::string ModelDigest(std::string_view bytes);
// SHA-256 of a whole file in hexadecimal digits: what a model is called on the wire.
std::string FileSha256(std::string_view bytes);
// Whether that could be one: 64 digits, lower case.
bool IsSha256(std::string_view text);

v1::Tensor ToTensor(std::string_view name, const Eigen::Ref<const Rows>& matrix);

// Whether all of its numbers are finite and none is so large that what is computed from it may not be.
bool IsSoundMatrix(const Eigen::Ref<const Rows>& matrix);

// The matrices of a model's message by their names; the message must outlive it.
class TensorReader {
 public:
  TensorReader(const google::protobuf::RepeatedPtrField<v1::Tensor>& tensors, std::string_view file);
  // DamagedModel when there is none of that name, when it is larger than any network of ours, or not what it says.
  absl::Status Take(const std::string& name, Rows* matrix) const;
  // A matrix of one row.
  absl::Status Take(const std::string& name, Row* row) const;

 private:
  std::map<std::string, const v1::Tensor*> tensors_;
  std::string file_;
};

}  // namespace truce
