#include "http/openapi.h"

#include <fmt/core.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <boost/json.hpp>
#include <set>
#include <stdexcept>

#include "base/error.h"
#include "rpc/call_head.h"
#include "tallyman/v1/options.pb.h"

namespace tallyman::http {
namespace {

namespace json = boost::json;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

constexpr std::string_view kOurPackage = "tallyman.v1";

// The comment before an element, with its lines joined.
template <class Thing>
std::string CommentOf(const Thing* thing) {
  google::protobuf::SourceLocation location;
  if (!thing->GetSourceLocation(&location)) return {};
  std::string text;
  for (char c : location.leading_comments) {
    if (c == '\n') c = ' ';
    if (c != ' ' || (!text.empty() && text.back() != ' ')) text += c;
  }
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

std::string FirstSentenceOf(const std::string& text) {
  size_t end = text.find(". ");
  std::string sentence = text.substr(0, end);
  if (sentence.ends_with('.')) sentence.pop_back();
  return sentence;
}

json::object Reference(std::string_view name) {
  return {{"$ref", fmt::format("#/components/schemas/{}", name)}};
}

class Document {
 public:
  json::object Write(const std::vector<const FileDescriptor*>& files, const std::string& version) {
    json::object paths;
    json::array tags;
    for (const FileDescriptor* file : files) {
      for (int s = 0; s < file->service_count(); ++s) {
        const ServiceDescriptor* service = file->service(s);
        tags.push_back({{"name", service->name()}, {"description", CommentOf(service)}});
        for (int m = 0; m < service->method_count(); ++m) {
          const MethodDescriptor* method = service->method(m);
          paths[fmt::format("/{}/{}", service->full_name(), method->name())] =
              json::object{{"post", OperationOf(method)}};
        }
      }
    }
    AddErrorSchema();
    AddMessage(files.front()->pool()->FindMessageTypeByName("tallyman.v1.ErrorDetail"));
    return {
        {"openapi", "3.1.0"},
        {"info",
         {{"title", "Tallyman"},
          {"version", version},
          {"description",
           "The operations of Tallyman in JSON over HTTP/1.1, by the unary form of the Connect "
           "protocol. Amounts are whole cores and bytes; 64-bit numbers are written as strings, "
           "and read as strings or numbers. Fields that are empty or 0 are left out."},
          {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
        {"servers", json::array{json::object{{"url", "/"}}}},
        {"security", json::array{json::object{{"token", json::array{}}}}},
        {"tags", std::move(tags)},
        {"paths", std::move(paths)},
        {"components",
         {{"schemas", std::move(schemas_)},
          {"parameters", Parameters()},
          {"responses", Responses()},
          {"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
  }

 private:
  static json::object Parameters() {
    return {{"timeout",
             {{"name", "Connect-Timeout-Ms"},
              {"in", "header"},
              {"description", "How long the caller waits for the answer."},
              {"schema", {{"type", "integer"}, {"minimum", 0}, {"maximum", 9'999'999'999}}}}},
            {"version",
             {{"name", "Connect-Protocol-Version"},
              {"in", "header"},
              {"schema", {{"type", "string"}, {"const", "1"}}}}}};
  }

  static json::object Responses() {
    return {{"error",
             {{"description", "The call was refused or failed."},
              {"content", {{"application/json", {{"schema", Reference("Error")}}}}}}}};
  }

  void AddErrorSchema() {
    json::array codes;
    for (const CodeRow& row : CodeTable()) codes.push_back(json::string(row.name));
    schemas_["Error"] =
        json::object{{"type", "object"},
                     {"description", "The body of every response whose status is not 200."},
                     {"required", json::array{"code"}},
                     {"properties",
                      {{"code", {{"type", "string"}, {"enum", std::move(codes)}}},
                       {"message", {{"type", "string"}, {"description", "For people."}}},
                       {"details",
                        {{"type", "array"},
                         {"items",
                          {{"type", "object"},
                           {"properties",
                            {{"type", {{"type", "string"}, {"const", "tallyman.v1.ErrorDetail"}}},
                             {"value",
                              {{"type", "string"},
                               {"description", "The message in binary, Base64 without padding."}}},
                             {"debug", Reference("ErrorDetail")}}}}}}}}}};
  }

  json::object OperationOf(const MethodDescriptor* method) {
    rpc::MethodKind kind =
        method->server_streaming() ? rpc::MethodKind::kServerStream : rpc::MethodKind::kUnary;
    std::string type(rpc::ContentTypeOf(kind, rpc::Codec::kJson));
    std::string comment = CommentOf(method);
    AddMessage(method->input_type());
    AddMessage(method->output_type());
    if (kind == rpc::MethodKind::kServerStream) {
      comment +=
          " The request and the answers are enveloped: five bytes precede each message, and a last "
          "message says how the stream ended. The schemas are those of the messages.";
    }
    const v1::MethodLimits& limits = method->options().GetExtension(v1::limits);
    return {{"tags", json::array{json::string(method->service()->name())}},
            {"x-body-bytes-max", limits.body_bytes_max()},
            {"operationId", fmt::format("{}_{}", method->service()->name(), method->name())},
            {"summary", FirstSentenceOf(comment)},
            {"description", comment},
            {"parameters", json::array{json::object{{"$ref", "#/components/parameters/version"}},
                                       json::object{{"$ref", "#/components/parameters/timeout"}}}},
            {"requestBody",
             {{"required", true},
              {"content", {{type, {{"schema", Reference(method->input_type()->name())}}}}}}},
            {"responses",
             {{"200",
               {{"description", CommentOf(method->output_type())},
                {"content", {{type, {{"schema", Reference(method->output_type()->name())}}}}}}},
              {"4XX", {{"$ref", "#/components/responses/error"}}},
              {"5XX", {{"$ref", "#/components/responses/error"}}}}}};
  }

  void AddMessage(const Descriptor* message) {
    if (!added_.insert(message->full_name()).second) return;
    json::object properties;
    for (int f = 0; f < message->field_count(); ++f) {
      const FieldDescriptor* field = message->field(f);
      json::object schema = SchemaOf(field);
      if (std::string comment = CommentOf(field); !comment.empty()) schema["description"] = comment;
      properties[field->json_name()] = std::move(schema);
    }
    json::object schema{{"type", "object"}};
    if (std::string comment = CommentOf(message); !comment.empty()) schema["description"] = comment;
    if (!properties.empty()) schema["properties"] = std::move(properties);
    schemas_[message->name()] = std::move(schema);
  }

  void AddEnum(const EnumDescriptor* values) {
    if (!added_.insert(values->full_name()).second) return;
    json::array names;
    std::string comment = CommentOf(values);
    for (int v = 0; v < values->value_count(); ++v) {
      names.push_back(json::string(values->value(v)->name()));
      comment += fmt::format("\n- `{}`: {}", values->value(v)->name(), CommentOf(values->value(v)));
    }
    schemas_[values->name()] =
        json::object{{"type", "string"}, {"description", comment}, {"enum", std::move(names)}};
  }

  json::object SchemaOf(const FieldDescriptor* field) {
    if (field->is_map()) {
      return {{"type", "object"},
              {"additionalProperties", ValueSchemaOf(field->message_type()->map_value())}};
    }
    if (field->is_repeated()) return {{"type", "array"}, {"items", ValueSchemaOf(field)}};
    return ValueSchemaOf(field);
  }

  json::object ValueSchemaOf(const FieldDescriptor* field) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        return {{"type", "boolean"}};
      case FieldDescriptor::CPPTYPE_INT32:
        return {{"type", "integer"}, {"format", "int32"}};
      case FieldDescriptor::CPPTYPE_UINT32:
        return {{"type", "integer"}, {"minimum", 0}, {"maximum", 4'294'967'295}};
      case FieldDescriptor::CPPTYPE_INT64:
      case FieldDescriptor::CPPTYPE_UINT64:
        return {{"type", json::array{"string", "integer"}}, {"format", "int64"}};
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
        return {{"type", "number"}};
      case FieldDescriptor::CPPTYPE_STRING:
        if (field->type() == FieldDescriptor::TYPE_BYTES)
          return {{"type", "string"}, {"contentEncoding", "base64"}};
        return {{"type", "string"}};
      case FieldDescriptor::CPPTYPE_ENUM:
        AddEnum(field->enum_type());
        return Reference(field->enum_type()->name());
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;
    }
    const Descriptor* message = field->message_type();
    if (message->full_name() == "google.protobuf.Timestamp")
      return {{"type", "string"}, {"format", "date-time"}};
    if (message->full_name() == "google.protobuf.Duration")
      return {{"type", "string"}, {"pattern", R"(^-?[0-9]+(\.[0-9]{1,9})?s$)"}};
    AddMessage(message);
    return Reference(message->name());
  }

  json::object schemas_;
  std::set<std::string> added_;
};

}  // namespace

std::string OpenApiDocument(std::string_view descriptors, const std::string& version) {
  google::protobuf::FileDescriptorSet set;
  if (!set.ParseFromArray(descriptors.data(), static_cast<int>(descriptors.size()))) {
    throw std::invalid_argument("these are not descriptors");
  }
  DescriptorPool pool;
  std::vector<const FileDescriptor*> ours;
  for (const auto& file : set.file()) {
    const FileDescriptor* built = pool.BuildFile(file);
    if (built == nullptr) throw std::invalid_argument("the descriptors are incomplete");
    if (built->package() == kOurPackage) ours.push_back(built);
  }
  if (ours.empty()) throw std::invalid_argument("the descriptors have no service of Tallyman");
  return json::serialize(Document().Write(ours, version));
}

}  // namespace tallyman::http
