#include "controller/cli/yaml.h"

#include <yaml-cpp/yaml.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "src/base/enum_words.h"
#include "src/base/text.h"

namespace truce::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// yaml-cpp leaves "true" and "12" bare although they are texts; everything that is not plainly a word is quoted.
bool IsPlainWord(const std::string& text) {
  if (text.empty() || text.size() > 200) return false;
  if (!absl::ascii_isalpha(static_cast<unsigned char>(text.front())) && text.front() != '/') return false;
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && std::string_view("_./-@").find(c) == std::string::npos) {
      return false;
    }
  }
  const std::string lower = absl::AsciiStrToLower(text);
  for (const char* reserved : {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}) {
    if (lower == reserved) return false;
  }
  return true;
}

void EmitText(YAML::Emitter& out, const std::string& text) {
  if (IsPlainWord(text)) {
    out << text;
  } else {
    out << YAML::DoubleQuoted << text;
  }
}

// The shortest text that reads back as the same number.
std::string NumberText(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value > 0 ? ".inf" : "-.inf";
  std::array<char, 32> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return std::string(text.data(), result.ptr);
}

absl::Duration ToDuration(const Message& message) {
  const auto& duration = static_cast<const google::protobuf::Duration&>(message);
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

std::string MomentText(const Message& message) {
  const auto& moment = static_cast<const google::protobuf::Timestamp&>(message);
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ",
                          absl::FromUnixSeconds(moment.seconds()) + absl::Nanoseconds(moment.nanos()),
                          absl::UTCTimeZone());
}

bool IsA(const google::protobuf::Descriptor* type, const google::protobuf::Descriptor* other) {
  return type->full_name() == other->full_name();
}

// Writes fields of messages. One for each document.
class Writer {
 public:
  explicit Writer(bool skip_empty_words) : skip_empty_words_(skip_empty_words) {}

  void Fields(const Message& message, const FieldDescriptor* except = nullptr) {
    out_ << YAML::BeginMap;
    const auto& reflection = *message.GetReflection();
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor* field = message.GetDescriptor()->field(i);
      if (field == except || Skipped(message, *field)) continue;
      out_ << YAML::Key << field->name() << YAML::Value;
      if (!field->is_repeated()) {
        Value(message, *field, -1);
        continue;
      }
      const int size = reflection.FieldSize(message, field);
      // yaml-cpp would write an empty block list as nothing.
      if (size == 0) out_ << YAML::Flow;
      out_ << YAML::BeginSeq;
      for (int j = 0; j < size; ++j) Value(message, *field, j);
      out_ << YAML::EndSeq;
    }
    out_ << YAML::EndMap;
  }
  std::string Text() const { return std::string(out_.c_str()) + "\n"; }

 private:
  bool Skipped(const Message& message, const FieldDescriptor& field) const {
    const auto& reflection = *message.GetReflection();
    if (field.is_repeated()) return false;
    if (field.has_presence()) return !reflection.HasField(message, &field);
    if (!skip_empty_words_) return false;
    const bool is_word =
        field.cpp_type() == FieldDescriptor::CPPTYPE_STRING || field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM;
    return is_word && !reflection.HasField(message, &field);
  }

  void Submessage(const Message& message) {
    if (IsA(message.GetDescriptor(), google::protobuf::Duration::descriptor())) {
      out_ << absl::FormatDuration(ToDuration(message));
    } else if (IsA(message.GetDescriptor(), google::protobuf::Timestamp::descriptor())) {
      out_ << YAML::DoubleQuoted << MomentText(message);
    } else {
      Fields(message);
    }
  }

  // The field's value, or its element `index` when it is repeated.
  void Value(const Message& message, const FieldDescriptor& field, int index) {
    const auto& reflection = *message.GetReflection();
    const auto get = [&](auto single, auto repeated) {
      return index < 0 ? (reflection.*single)(message, &field) : (reflection.*repeated)(message, &field, index);
    };
    using R = google::protobuf::Reflection;
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        out_ << get(&R::GetInt32, &R::GetRepeatedInt32);
        return;
      case FieldDescriptor::CPPTYPE_INT64:
        out_ << get(&R::GetInt64, &R::GetRepeatedInt64);
        return;
      case FieldDescriptor::CPPTYPE_UINT32:
        out_ << get(&R::GetUInt32, &R::GetRepeatedUInt32);
        return;
      case FieldDescriptor::CPPTYPE_UINT64:
        out_ << get(&R::GetUInt64, &R::GetRepeatedUInt64);
        return;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        out_ << NumberText(get(&R::GetDouble, &R::GetRepeatedDouble));
        return;
      case FieldDescriptor::CPPTYPE_FLOAT:
        out_ << NumberText(get(&R::GetFloat, &R::GetRepeatedFloat));
        return;
      case FieldDescriptor::CPPTYPE_BOOL:
        out_ << get(&R::GetBool, &R::GetRepeatedBool);
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        EmitText(out_, EnumWord(*field.enum_type(), get(&R::GetEnumValue, &R::GetRepeatedEnumValue)));
        return;
      case FieldDescriptor::CPPTYPE_STRING: {
        const std::string text = get(&R::GetString, &R::GetRepeatedString);
        if (field.type() == FieldDescriptor::TYPE_BYTES) {
          out_ << YAML::LocalTag("!binary") << YAML::DoubleQuoted << absl::Base64Escape(text);
        } else {
          EmitText(out_, text);
        }
        return;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Submessage(index < 0 ? reflection.GetMessage(message, &field)
                             : reflection.GetRepeatedMessage(message, &field, index));
        return;
    }
  }

  YAML::Emitter out_;
  bool skip_empty_words_;
};

void ReadFields(ConfigReader& reader, Message* message);

void ReadMessage(ConfigReader& reader, const FieldDescriptor& field, Message* message) {
  Message* const value = message->GetReflection()->MutableMessage(message, &field);
  // Policies nest nothing but durations outside lists.
  auto* duration = dynamic_cast<google::protobuf::Duration*>(value);
  if (duration == nullptr) {
    reader.Error(field.name(), "this trucectl cannot read it");
    return;
  }
  absl::Duration read = ToDuration(*duration);
  reader.Read(field.name(), &read, {.minimum = absl::ZeroDuration(), .maximum = absl::Hours(24 * 365)});
  duration->set_seconds(absl::IDivDuration(read, absl::Seconds(1), &read));
  duration->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(read)));
}

void ReadEnum(ConfigReader& reader, const FieldDescriptor& field, Message* message) {
  std::vector<std::pair<std::string, int>> words;
  for (const std::string& word : EnumWords(*field.enum_type())) {
    words.emplace_back(word, *EnumFromWord(*field.enum_type(), word));
  }
  int value = message->GetReflection()->GetEnumValue(*message, &field);
  reader.ReadEnum(field.name(), &value, words);
  message->GetReflection()->SetEnumValue(message, &field, value);
}

// Reads `field` from the key of its name; leaves it alone when the key is not given.
void ReadField(ConfigReader& reader, const FieldDescriptor& field, Message* message) {
  const auto& reflection = *message->GetReflection();
  if (field.is_repeated()) {
    reader.ReadList(
        field.name(), [&] { reflection.ClearField(message, &field); },
        [&](ConfigReader& element) { ReadFields(element, reflection.AddMessage(message, &field)); });
    return;
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string value = reflection.GetString(*message, &field);
      reader.Read(field.name(), &value);
      reflection.SetString(message, &field, value);
      return;
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      // What no file can say, so that a number that is absent and not given stays absent.
      double value = std::numeric_limits<double>::quiet_NaN();
      reader.Read(field.name(), &value);
      if (!std::isnan(value)) reflection.SetDouble(message, &field, value);
      return;
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      int value = -1;
      reader.Read(field.name(), &value, {.minimum = 0});
      if (value >= 0) reflection.SetUInt32(message, &field, static_cast<uint32_t>(value));
      return;
    }
    case FieldDescriptor::CPPTYPE_BOOL: {
      bool value = reflection.GetBool(*message, &field);
      reader.Read(field.name(), &value);
      reflection.SetBool(message, &field, value);
      return;
    }
    case FieldDescriptor::CPPTYPE_ENUM:
      ReadEnum(reader, field, message);
      return;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      ReadMessage(reader, field, message);
      return;
    default:
      reader.Error(field.name(), "this trucectl cannot read it");
  }
}

void ReadFields(ConfigReader& reader, Message* message) {
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message->GetDescriptor()->field(i);
    // The controller counts versions; a file has none.
    if (field.containing_type() == v1::Policy::descriptor() && field.number() == v1::Policy::kVersionFieldNumber)
      continue;
    ReadField(reader, field, message);
  }
}

}  // namespace

std::string MessageToYaml(const Message& message) {
  Writer writer(/*skip_empty_words=*/false);
  writer.Fields(message);
  return writer.Text();
}

std::string PolicyToYaml(const v1::Policy& policy) {
  Writer writer(/*skip_empty_words=*/true);
  writer.Fields(policy, v1::Policy::descriptor()->FindFieldByNumber(v1::Policy::kVersionFieldNumber));
  return StrCat("# policy version ", policy.version(), "\n", writer.Text());
}

absl::StatusOr<v1::Policy> ReadPolicy(const ConfigSource& source, const v1::Policy& base) {
  v1::Policy policy = base;
  ConfigReader reader(source);
  ReadFields(reader, &policy);
  if (absl::Status status = reader.Finish(); !status.ok()) return status;
  return policy;
}

}  // namespace truce::cli
