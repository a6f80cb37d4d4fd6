#include "rpc/wire_error.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <map>
#include <optional>

#include "base/base64.h"
#include "base/text.h"
#include "tallyman/v1/error.pb.h"

namespace tallyman::rpc {
namespace {

namespace json = boost::json;

constexpr std::string_view kDetailType = "tallyman.v1.ErrorDetail";
// Bounds what an unknown server may put into an error.
constexpr size_t kForeignTextBytesMax = 300;

// Error messages may quote any bytes; JSON accepts only UTF-8.
std::string Printable(const std::string& text) { return IsUtf8(text) ? text : Quote(text); }

json::object DetailOf(const Error& error) {
  v1::ErrorDetail detail;
  json::object debug;
  detail.set_reason(Printable(error.reason));
  debug["reason"] = detail.reason();
  if (!error.resource.empty()) {
    detail.set_resource(Printable(error.resource));
    debug["resource"] = detail.resource();
  }
  for (const auto& [key, value] : error.facts) {
    (*detail.mutable_facts())[Printable(key)] = Printable(value);
  }
  if (!error.facts.empty()) {
    json::object facts;
    for (const auto& [key, value] : error.facts) facts[Printable(key)] = Printable(value);
    debug["facts"] = std::move(facts);
  }
  return {{"type", kDetailType},
          {"value", ToBase64(detail.SerializeAsString())},
          {"debug", std::move(debug)}};
}

json::object ObjectOf(const Error& error) {
  json::object object{{"code", RowOf(error.code).name}};
  if (!error.message.empty()) object["message"] = Printable(error.message);
  if (!error.reason.empty()) object["details"] = json::array{DetailOf(error)};
  return object;
}

std::optional<json::object> ParseObject(std::string_view text) {
  json::error_code failed;
  json::value value = json::parse(json::string_view(text.data(), text.size()), failed);
  if (failed || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

std::optional<std::string> TextAt(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(json::string_view(key.data(), key.size()));
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(value->get_string());
}

void ReadDetails(const json::object& object, Error& error) {
  const json::value* details = object.if_contains("details");
  if (details == nullptr || !details->is_array()) return;
  for (const json::value& item : details->get_array()) {
    if (!item.is_object() || TextAt(item.get_object(), "type") != kDetailType) continue;
    auto bytes = FromBase64(TextAt(item.get_object(), "value").value_or(""));
    v1::ErrorDetail detail;
    if (!bytes || !detail.ParseFromString(*bytes)) continue;
    error.reason = detail.reason();
    error.resource = detail.resource();
    std::map<std::string, std::string> facts(detail.facts().begin(), detail.facts().end());
    error.facts.assign(facts.begin(), facts.end());
    return;
  }
}

// nullopt for an object that is not an error of the protocol.
std::optional<Error> ErrorOf(const json::object& object) {
  auto code = TextAt(object, "code");
  if (!code) return std::nullopt;
  Error error;
  error.code = CodeFromName(*code);
  error.message = TextAt(object, "message").value_or("");
  ReadDetails(object, error);
  return error;
}

}  // namespace

std::string ErrorJson(const Error& error) { return json::serialize(ObjectOf(error)); }

std::string EndStreamJson(const Status& status) {
  if (status) return "{}";
  return json::serialize(json::object{{"error", ObjectOf(status.error())}});
}

Code CodeFromHttpStatus(int http_status) {
  switch (http_status) {
    case 400:
      return Code::kInternal;
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return Code::kUnavailable;
    default:
      return Code::kUnknown;
  }
}

Error ErrorFromResponse(int http_status, std::string_view body) {
  auto object = ParseObject(body);
  if (object) {
    if (auto error = ErrorOf(*object)) {
      // An unknown code says less than the HTTP status.
      if (error->code == Code::kUnknown && TextAt(*object, "code") != "unknown") {
        error->code = CodeFromHttpStatus(http_status);
      }
      return *std::move(error);
    }
  }
  std::string text = fmt::format("the server answered with HTTP status {}", http_status);
  std::string_view shown = body.substr(0, body.find_first_of("\r\n"));
  if (!shown.empty()) text += fmt::format(": {}", Quote(shown.substr(0, kForeignTextBytesMax)));
  return Error(CodeFromHttpStatus(http_status), kHttpStatus, std::move(text))
      .With("status", std::to_string(http_status));
}

Status ParseEndStream(std::string_view text) {
  auto malformed = [&] {
    return Fail(Internal("MALFORMED_END_STREAM",
                         fmt::format("the stream's last message is {}, which the protocol does not "
                                     "know",
                                     Quote(text.substr(0, kForeignTextBytesMax)))));
  };
  auto object = ParseObject(text);
  if (!object) return malformed();
  const json::value* error = object->if_contains("error");
  if (error == nullptr) return {};
  if (!error->is_object()) return malformed();
  auto read = ErrorOf(error->get_object());
  if (!read) return malformed();
  return Fail(*std::move(read));
}

}  // namespace tallyman::rpc
