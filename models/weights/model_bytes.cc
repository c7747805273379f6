#include "models/weights/model_bytes.h"

#include <openssl/evp.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "src/base/status.h"
#include "src/base/text.h"

namespace truce {
namespace {

constexpr size_t kDigestBytes = 32;
// No network of ours is larger; a file that says so is not ours.
constexpr Eigen::Index kLargestSide = 4096;
constexpr float kLargestNumber = 1e6F;

std::string Digest(std::string_view bytes) {
  std::string digest(kDigestBytes, '\0');
  unsigned length = 0;
  EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &length, EVP_sha256(),
             nullptr);
  return digest;
}

}  // namespace

absl::Status DamagedModel(std::string_view name, std::string_view what) {
  return absl::DataLossError(
      StrCat(name, " is no model that can be used: ", what, "; install it again, or train one with truce-lab train"));
}

absl::Status CheckModelFormat(uint32_t format, uint32_t known, std::string_view name) {
  if (format == known) return absl::OkStatus();
  return absl::FailedPreconditionError(StrCat(name, " has format ", format, ", and this version of Truce reads ", known,
                                              "; install the model of this version"));
}

absl::Status FailedSelfTest(std::string_view name) {
  return absl::InternalError(StrCat(name,
                                    " fails its self-test on this CPU: it computes another result than where it was ",
                                    "made; report this with the CPU's model, and go on with another model"));
}

std::string WrapModel(std::string_view magic, const google::protobuf::MessageLite& message) {
  const std::string payload = message.SerializeAsString();
  return StrCat(magic, Digest(payload), payload);
}

absl::Status UnwrapModel(std::string_view bytes, std::string_view magic, std::string_view name,
                         google::protobuf::MessageLite* message) {
  if (bytes.substr(0, magic.size()) != magic) return DamagedModel(name, "it does not begin like one");
  if (bytes.size() > kMostModelBytes) {
    return DamagedModel(name, StrCat("it has ", bytes.size(), " bytes; at most ", kMostModelBytes));
  }
  if (bytes.size() < magic.size() + kDigestBytes) return DamagedModel(name, "it was cut off");
  const std::string_view payload = bytes.substr(magic.size() + kDigestBytes);
  if (bytes.substr(magic.size(), kDigestBytes) != Digest(payload)) {
    return DamagedModel(name, "its checksum does not match");
  }
  if (!message->ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return DamagedModel(name, "its content is not what its checksum promises");
  }
  return absl::OkStatus();
}

std::string ModelDigest(std::string_view bytes) {
  const std::string_view digest = bytes.substr(std::min(bytes.size(), kModelMagicBytes), kDigestBytes);
  return absl::BytesToHexString({digest.data(), digest.size()});
}

std::string FileSha256(std::string_view bytes) {
  return absl::BytesToHexString(Digest(bytes));
}

bool IsSha256(std::string_view text) {
  return text.size() == 2 * kDigestBytes && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

v1::Tensor ToTensor(std::string_view name, const Eigen::Ref<const Rows>& matrix) {
  v1::Tensor tensor;
  tensor.set_name(std::string(name));
  tensor.set_row_count(static_cast<uint32_t>(matrix.rows()));
  tensor.set_column_count(static_cast<uint32_t>(matrix.cols()));
  const Rows plain = matrix;
  tensor.mutable_values()->Add(plain.data(), plain.data() + plain.size());
  return tensor;
}

bool IsSoundMatrix(const Eigen::Ref<const Rows>& matrix) {
  return matrix.size() == 0 || (matrix.allFinite() && matrix.cwiseAbs().maxCoeff() <= kLargestNumber);
}

TensorReader::TensorReader(const google::protobuf::RepeatedPtrField<v1::Tensor>& tensors, std::string_view file)
    : file_(file) {
  for (const v1::Tensor& tensor : tensors) tensors_[tensor.name()] = &tensor;
}

absl::Status TensorReader::Take(const std::string& name, Rows* matrix) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return DamagedModel(file_, StrCat("it has no ", name));
  const v1::Tensor& tensor = *found->second;
  const Eigen::Index rows = tensor.row_count();
  const Eigen::Index columns = tensor.column_count();
  if (rows < 1 || columns < 1 || rows > kLargestSide || columns > kLargestSide ||
      rows * columns != tensor.values_size()) {
    return DamagedModel(file_, StrCat(name, " has another size than it says"));
  }
  *matrix = Eigen::Map<const Rows>(tensor.values().data(), rows, columns);
  return absl::OkStatus();
}

absl::Status TensorReader::Take(const std::string& name, Row* row) const {
  Rows matrix;
  TRUCE_RETURN_IF_ERROR(Take(name, &matrix));
  if (matrix.rows() != 1) return DamagedModel(file_, StrCat(name, " should be one row"));
  *row = matrix.row(0);
  return absl::OkStatus();
}

}  // namespace truce
