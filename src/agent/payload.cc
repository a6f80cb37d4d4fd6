#include "agent/payload.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/text.h"
#include "model/command.h"

namespace tallyman::agent {
namespace {

namespace json = boost::json;

constexpr size_t kTextBytesMax = 2000;
// Written by the agent itself.
constexpr const char* kKeptDisk = "agent_kept_disk_bytes";

Error Invalid(std::string_view field) {
  return InvalidArgument("PAYLOAD_INVALID",
                         fmt::format("the command's payload has no usable {}: it was made by a "
                                     "control plane that this agent does not understand",
                                     field))
      .With("field", std::string(field));
}

Status ReadText(const json::object& object, std::string_view key, std::string& to) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return Fail(Invalid(key));
  to = value->as_string();
  if (!CheckText(key, to, kTextBytesMax)) return Fail(Invalid(key));
  return {};
}

template <class IdType>
Status ReadId(const json::object& object, std::string_view key, IdType& to) {
  std::string text;
  RETURN_IF_ERROR(ReadText(object, key, text));
  auto id = IdType::Parse(text);
  if (!id) return Fail(Invalid(key));
  to = *id;
  return {};
}

Status ReadAmount(const json::object& object, std::string_view key, int64_t& to) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_int64() || value->as_int64() <= 0) return Fail(Invalid(key));
  to = value->as_int64();
  return {};
}

}  // namespace

Result<NodeSpec> ParsePayload(std::string_view payload) {
  boost::system::error_code error;
  json::value parsed = json::parse(json::string_view(payload.data(), payload.size()), error);
  if (error || !parsed.is_object()) return Fail(Invalid("JSON object"));
  const json::object& object = parsed.as_object();
  NodeSpec spec;
  RETURN_IF_ERROR(ReadId(object, "node_id", spec.node_id));
  RETURN_IF_ERROR(ReadId(object, "org_id", spec.org_id));
  RETURN_IF_ERROR(ReadId(object, "config_id", spec.config_id));
  RETURN_IF_ERROR(ReadId(object, "image_id", spec.image_id));
  RETURN_IF_ERROR(ReadText(object, "name", spec.name));
  RETURN_IF_ERROR(ReadText(object, "image", spec.image));
  RETURN_IF_ERROR(ReadText(object, "image_uri", spec.image_uri));
  const json::value* resources = object.if_contains("resources");
  if (resources == nullptr || !resources->is_object()) return Fail(Invalid("resources"));
  const json::object& amounts = resources->as_object();
  RETURN_IF_ERROR(ReadAmount(amounts, "cpu_cores", spec.resources.cpu_cores));
  RETURN_IF_ERROR(ReadAmount(amounts, "memory_bytes", spec.resources.memory_bytes));
  RETURN_IF_ERROR(ReadAmount(amounts, "disk_bytes", spec.resources.disk_bytes));
  const json::value* config = object.if_contains(kConfigWithSecrets);
  if (config == nullptr) config = object.if_contains("config");
  NodeConfig read;
  if (config == nullptr || !ConfigFromJson(json::serialize(*config), read))
    return Fail(Invalid("config"));
  // They become names of files.
  for (const auto& [key, text] : read.secrets)
    if (!CheckName("secret", key)) return Fail(Invalid("secrets"));
  spec.values = std::move(read.values);
  spec.secrets = std::move(read.secrets);
  spec.firewall_rules = std::move(read.firewall_rules);
  return spec;
}

std::string KeepDisk(std::string_view payload, int64_t disk_bytes) {
  boost::system::error_code error;
  json::value parsed = json::parse(json::string_view(payload.data(), payload.size()), error);
  if (error || !parsed.is_object()) return std::string(payload);
  parsed.as_object().erase(kKeptDisk);
  if (disk_bytes > 0) parsed.as_object()[kKeptDisk] = disk_bytes;
  return json::serialize(parsed);
}

int64_t KeptDisk(std::string_view payload) {
  boost::system::error_code error;
  const json::value parsed = json::parse(json::string_view(payload.data(), payload.size()), error);
  const json::value* kept =
      error || !parsed.is_object() ? nullptr : parsed.as_object().if_contains(kKeptDisk);
  return kept != nullptr && kept->is_int64() ? kept->as_int64() : 0;
}

Result<NodeSpec> ParseAsInstalled(std::string_view payload) {
  ASSIGN_OR_RETURN(NodeSpec spec, ParsePayload(payload));
  spec.resources.disk_bytes = std::max(spec.resources.disk_bytes, KeptDisk(payload));
  return spec;
}

}  // namespace tallyman::agent
