// Lints the wire: what generated clients in any language will see must be named, typed and documented the same way
// throughout. Reads the descriptors of every file in proto/truce/v1.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <cctype>
#include <fstream>
#include <set>
#include <string>
#include <vector>

namespace truce {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using google::protobuf::SourceLocation;

// "ReceiptOutcome" -> "RECEIPT_OUTCOME_".
std::string UpperSnakePrefix(const std::string& name) {
  std::string prefix;
  for (size_t i = 0; i < name.size(); ++i) {
    if (i > 0 && std::isupper(static_cast<unsigned char>(name[i]))) prefix += '_';
    prefix += static_cast<char>(std::toupper(static_cast<unsigned char>(name[i])));
  }
  return prefix + "_";
}

bool IsSnakeCase(const std::string& name) {
  if (name.empty() || !std::islower(static_cast<unsigned char>(name[0])) || name.back() == '_') return false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (c == '_' ? name[i + 1] == '_'
                 : !(std::islower(static_cast<unsigned char>(c)) || std::isdigit(static_cast<unsigned char>(c)))) {
      return false;
    }
  }
  return true;
}

std::vector<std::string> Words(const std::string& name) {
  std::vector<std::string> words(1);
  for (char c : name) {
    if (c == '_') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

class DescriptorTest : public testing::Test {
 protected:
  void SetUp() override {
    std::ifstream in(TRUCE_DESCRIPTORS, std::ios::binary);
    FileDescriptorSet set;
    ASSERT_TRUE(set.ParseFromIstream(&in)) << TRUCE_DESCRIPTORS;
    for (const FileDescriptorProto& file : set.file()) {  // imports come before those that import them
      const FileDescriptor* built = pool_.BuildFile(file);
      ASSERT_NE(built, nullptr) << file.name();
      if (file.name().rfind("google/", 0) == 0) continue;
      files_.push_back(built);
      for (int i = 0; i < built->message_type_count(); ++i) Collect(built->message_type(i));
      for (int i = 0; i < built->enum_type_count(); ++i) enums_.push_back(built->enum_type(i));
      for (int i = 0; i < built->service_count(); ++i) services_.push_back(built->service(i));
    }
    ASSERT_GE(files_.size(), 4u);
    ASSERT_GT(messages_.size(), 50u);
    ASSERT_GE(enums_.size(), 9u);
    ASSERT_GE(services_.size(), 3u);
  }
  void Collect(const Descriptor* message) {
    if (message->options().map_entry()) return;
    messages_.push_back(message);
    for (int i = 0; i < message->nested_type_count(); ++i) Collect(message->nested_type(i));
    for (int i = 0; i < message->enum_type_count(); ++i) enums_.push_back(message->enum_type(i));
  }
  std::vector<const FieldDescriptor*> Fields() const {
    std::vector<const FieldDescriptor*> fields;
    for (const Descriptor* message : messages_) {
      for (int i = 0; i < message->field_count(); ++i) fields.push_back(message->field(i));
    }
    return fields;
  }
  template <typename T>
  static void ExpectComment(const T* thing) {
    SourceLocation location;
    ASSERT_TRUE(thing->GetSourceLocation(&location)) << thing->full_name();
    EXPECT_GE(location.leading_comments.size(), 4u) << thing->full_name() << " has no comment above it";
  }

  DescriptorPool pool_;
  std::vector<const FileDescriptor*> files_;
  std::vector<const Descriptor*> messages_;
  std::vector<const EnumDescriptor*> enums_;
  std::vector<const ServiceDescriptor*> services_;
};

TEST_F(DescriptorTest, EverythingIsInPackageTruceV1AndProto3) {
  for (const FileDescriptor* file : files_) {
    EXPECT_EQ(file->package(), "truce.v1") << file->name();
    EXPECT_EQ(file->syntax(), FileDescriptor::SYNTAX_PROTO3) << file->name();
    EXPECT_EQ(file->name().rfind("truce/v1/", 0), 0u) << file->name();
  }
}

TEST_F(DescriptorTest, ServicesEndInServiceAndEachCallHasMessagesOfItsOwnName) {
  std::set<const Descriptor*> used;
  for (const ServiceDescriptor* service : services_) {
    EXPECT_TRUE(service->name().size() > 7 && service->name().substr(service->name().size() - 7) == "Service")
        << service->name();
    for (int i = 0; i < service->method_count(); ++i) {
      const MethodDescriptor* method = service->method(i);
      EXPECT_EQ(method->input_type()->name(), method->name() + "Request") << method->full_name();
      EXPECT_EQ(method->output_type()->name(), method->name() + "Response") << method->full_name();
      EXPECT_TRUE(used.insert(method->input_type()).second) << method->input_type()->name() << " serves two calls";
      EXPECT_TRUE(used.insert(method->output_type()).second) << method->output_type()->name() << " serves two calls";
    }
  }
}

TEST_F(DescriptorTest, EnumValuesBearTheirEnumsNameAndZeroIsUnspecified) {
  for (const EnumDescriptor* type : enums_) {
    const std::string prefix = UpperSnakePrefix(type->name());
    for (int i = 0; i < type->value_count(); ++i) {
      EXPECT_EQ(type->value(i)->name().rfind(prefix, 0), 0u)
          << type->value(i)->full_name() << " should begin with " << prefix;
    }
    ASSERT_NE(type->FindValueByNumber(0), nullptr) << type->name();
    EXPECT_EQ(type->FindValueByNumber(0)->name(), prefix + "UNSPECIFIED");
  }
}

TEST_F(DescriptorTest, EverythingHasAComment) {
  for (const Descriptor* message : messages_) {
    ExpectComment(message);
    for (int i = 0; i < message->real_oneof_decl_count(); ++i) ExpectComment(message->oneof_decl(i));
  }
  for (const FieldDescriptor* field : Fields()) ExpectComment(field);
  for (const EnumDescriptor* type : enums_) {
    ExpectComment(type);
    for (int i = 0; i < type->value_count(); ++i) ExpectComment(type->value(i));
  }
  for (const ServiceDescriptor* service : services_) {
    ExpectComment(service);
    for (int i = 0; i < service->method_count(); ++i) ExpectComment(service->method(i));
  }
}

TEST_F(DescriptorTest, FieldsAreSnakeCase) {
  for (const FieldDescriptor* field : Fields()) EXPECT_TRUE(IsSnakeCase(field->name())) << field->full_name();
}

TEST_F(DescriptorTest, MomentsAndSpansAreTimestampsAndDurations) {
  const std::set<std::string> kUnits = {"ns",     "us",      "ms",   "nanos",   "micros",
                                        "millis", "seconds", "secs", "minutes", "hours"};
  for (const FieldDescriptor* field : Fields()) {
    const std::vector<std::string> words = Words(field->name());
    const bool is_whole = field->cpp_type() <= FieldDescriptor::CPPTYPE_UINT64;
    EXPECT_FALSE(is_whole && kUnits.count(words.back()) > 0)
        << field->full_name() << " is a whole number of time units; use google.protobuf.Duration or Timestamp";
    // What ends in _at is a moment.
    const bool is_timestamp =
        field->message_type() != nullptr && field->message_type()->full_name() == "google.protobuf.Timestamp";
    EXPECT_TRUE(words.back() != "at" || is_timestamp) << field->full_name() << " should be a Timestamp";
  }
}

TEST_F(DescriptorTest, NumbersThatNeedAUnitHaveItInTheirName) {
  // A number whose name ends in one of these words has no unit.
  const std::set<std::string> kBare = {"time",      "size",   "latency", "duration", "interval", "timeout",
                                       "delay",     "memory", "usage",   "quota",    "rate",     "bandwidth",
                                       "frequency", "speed",  "age",     "length",   "deadline", "budget",
                                       "share",     "cost",   "period",  "window",   "load",     "utilization"};
  // In the unit of another field, as their comments say.
  const std::set<std::string> kElsewhere = {"truce.v1.Evidence.aggressor_usage"};
  for (const FieldDescriptor* field : Fields()) {
    const bool is_number = field->cpp_type() <= FieldDescriptor::CPPTYPE_FLOAT;
    if (!is_number || kElsewhere.count(field->full_name()) > 0) continue;
    EXPECT_EQ(kBare.count(Words(field->name()).back()), 0u)
        << field->full_name() << " needs a unit, such as _bytes, _seconds or _ratio";
  }
}

}  // namespace
}  // namespace truce
