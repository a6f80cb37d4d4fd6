#include "model/command.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <iterator>

#include "base/json_text.h"

namespace tallyman {

namespace json = boost::json;

std::string RenderPayload(const Node& node, const NodeConfig& config, const Image& image,
                          std::string_view host_name) {
  std::string out;
  out.reserve(1024);
  auto text = [&](std::string_view key, std::string_view value) {
    AppendJsonKey(out, key);
    AppendJsonString(out, value);
    out += ',';
  };
  out += '{';
  text("node_id", node.id.ToString());
  text("name", node.name);
  text("org_id", node.org_id.ToString());
  text("host_id", node.host_id.ToString());
  text("host", host_name);
  text("image_id", image.id.ToString());
  text("image", image.Reference());
  text("image_uri", image.uri);
  text("config_id", config.id.ToString());
  fmt::format_to(std::back_inserter(out),
                 R"("resources":{{"cpu_cores":{},"memory_bytes":{},"disk_bytes":{}}},)",
                 config.resources.cpu_cores, config.resources.memory_bytes,
                 config.resources.disk_bytes);
  AppendJsonKey(out, config.HasSecrets() ? kConfigWithSecrets : "config");
  if (config.secrets.empty()) {
    out += ConfigToJson(config);
  } else {
    NodeConfig sent = config;
    std::erase_if(sent.secrets, [](const auto& secret) { return secret.second.empty(); });
    out += ConfigToJson(sent);
  }
  out += '}';
  return out;
}

std::string SecretContext(std::string_view org_id, std::string_view key) {
  return fmt::format("secret\n{}\n{}", org_id, key);
}

Result<std::string> RewriteSecrets(
    std::string payload,
    const std::function<Result<std::string>(const std::string& context, const std::string& text)>&
        rewrite) {
  if (payload.find(kConfigWithSecrets) == std::string::npos) return payload;
  // Boost.JSON's at() and as_...() throw on missing values and on values of another kind.
  try {
    json::value parsed = json::parse(payload);
    json::value* config = parsed.as_object().if_contains(kConfigWithSecrets);
    // The words stand in a value.
    if (config == nullptr) return payload;
    const std::string org(parsed.at("org_id").as_string());
    // None are left of a node that is gone.
    json::value* secrets = config->as_object().if_contains("secrets");
    if (secrets == nullptr) return payload;
    for (auto& [key, secret] : secrets->as_object()) {
      ASSIGN_OR_RETURN(const std::string text, rewrite(SecretContext(org, std::string_view(key)),
                                                       std::string(secret.as_string())));
      secret = json::string(text);
    }
    return json::serialize(parsed);
  } catch (const std::exception& error) {
    return Fail(DataLoss("PAYLOAD_UNREADABLE",
                         std::string("the payload of a command is not readable: ") + error.what()));
  }
}

}  // namespace tallyman
