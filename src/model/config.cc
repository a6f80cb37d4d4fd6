#include "model/config.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "base/json_text.h"
#include "base/text.h"

namespace tallyman {
namespace {

namespace json = boost::json;

void AppendRule(std::string& out, const FirewallRule& rule) {
  out += R"({"key":)";
  AppendJsonString(out, rule.key);
  out += fmt::format(R"(,"direction":"{}","action":"{}","transport":"{}","ips":[)",
                     ToText(rule.direction), ToText(rule.action), ToText(rule.transport));
  for (size_t i = 0; i < rule.ips.size(); ++i) {
    if (i > 0) out += ',';
    AppendJsonString(out, rule.ips[i]);
  }
  out += R"(],"ports":[)";
  for (size_t i = 0; i < rule.ports.size(); ++i) {
    if (i > 0) out += ',';
    out += std::to_string(rule.ports[i]);
  }
  out += "]}";
}

template <class Enum>
bool ReadWord(const json::object& from, std::string_view key, Enum& to) {
  const json::value* value = from.if_contains(key);
  if (value == nullptr || !value->is_string()) return false;
  auto word = FromText<Enum>(std::string_view(value->get_string()));
  if (word) to = *word;
  return word.has_value();
}

bool ReadRule(const json::value& value, FirewallRule& rule) {
  const json::object* object = value.if_object();
  if (object == nullptr) return false;
  const json::value* key = object->if_contains("key");
  const json::value* ips = object->if_contains("ips");
  const json::value* ports = object->if_contains("ports");
  if (key == nullptr || !key->is_string() || ips == nullptr || !ips->is_array() ||
      ports == nullptr || !ports->is_array() || !ReadWord(*object, "direction", rule.direction) ||
      !ReadWord(*object, "action", rule.action) ||
      !ReadWord(*object, "transport", rule.transport)) {
    return false;
  }
  rule.key = std::string(std::string_view(key->get_string()));
  for (const json::value& ip : ips->get_array()) {
    if (!ip.is_string()) return false;
    rule.ips.emplace_back(std::string_view(ip.get_string()));
  }
  for (const json::value& port : ports->get_array()) {
    if (!port.is_int64()) return false;
    rule.ports.push_back(port.get_int64());
  }
  return true;
}

bool ReadRules(const json::value* value, std::vector<FirewallRule>& rules) {
  if (value == nullptr || !value->is_array()) return false;
  for (const json::value& item : value->get_array()) {
    if (!ReadRule(item, rules.emplace_back())) return false;
  }
  return true;
}

// Nothing there: no texts.
bool ReadTexts(const json::value* from, std::map<std::string, std::string>& to) {
  to.clear();
  if (from == nullptr) return true;
  if (!from->is_object()) return false;
  for (const auto& [key, value] : from->get_object()) {
    if (!value.is_string()) return false;
    to.emplace(std::string(std::string_view(key)),
               std::string(std::string_view(value.get_string())));
  }
  return true;
}

void AppendTexts(std::string& out, std::string_view name,
                 const std::map<std::string, std::string>& texts) {
  AppendJsonKey(out, name);
  out += '{';
  bool first = true;
  for (const auto& [key, value] : texts) {
    if (!first) out += ',';
    first = false;
    AppendJsonKey(out, key);
    AppendJsonString(out, value);
  }
  out += "},";
}

bool ReadConfig(const json::value& root, NodeConfig& config) {
  const json::object* object = root.if_object();
  if (object == nullptr) return false;
  const json::value* values = object->if_contains("values");
  if (values == nullptr || !ReadTexts(values, config.values)) return false;
  if (!ReadTexts(object->if_contains("secrets"), config.secrets)) return false;
  config.firewall_rules.clear();
  return ReadRules(object->if_contains("firewall_rules"), config.firewall_rules);
}

}  // namespace

bool NodeConfig::HasSecrets() const {
  return std::ranges::any_of(secrets, [](const auto& secret) { return !secret.second.empty(); });
}

std::string FirewallRulesToJson(const std::vector<FirewallRule>& rules) {
  std::string out = "[";
  for (size_t i = 0; i < rules.size(); ++i) {
    if (i > 0) out += ',';
    AppendRule(out, rules[i]);
  }
  return out + "]";
}

Result<std::vector<FirewallRule>> FirewallRulesFromJson(std::string_view text) {
  boost::system::error_code error;
  json::value root = json::parse(json::string_view(text.data(), text.size()), error);
  std::vector<FirewallRule> rules;
  if (!error && ReadRules(&root, rules)) return rules;
  return Fail(DataLoss("IMAGE_UNREADABLE",
                       fmt::format("the firewall rules {} are not readable", Quote(text))));
}

std::string PropertiesToJson(const std::vector<Property>& properties) {
  std::string out = "[";
  for (const Property& property : properties) {
    if (out.size() > 1) out += ',';
    out += R"({"key":)";
    AppendJsonString(out, property.key);
    out += R"(,"default_value":)";
    AppendJsonString(out, property.default_value);
    out += '}';
  }
  return out + "]";
}

std::string ConfigToJson(const NodeConfig& config) {
  std::string out = "{";
  AppendTexts(out, "values", config.values);
  if (!config.secrets.empty()) AppendTexts(out, "secrets", config.secrets);
  AppendJsonKey(out, "firewall_rules");
  out += FirewallRulesToJson(config.firewall_rules);
  out += '}';
  return out;
}

Status ConfigFromJson(std::string_view text, NodeConfig& config) {
  // The tree is freed at the end of this call, and most are small.
  std::array<unsigned char, 4096> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): unread
  json::monotonic_resource memory(buffer.data(), buffer.size());
  boost::system::error_code error;
  json::value root = json::parse(json::string_view(text.data(), text.size()), error, &memory);
  if (!error && ReadConfig(root, config)) return {};
  return Fail(DataLoss("OLD_CONFIG_UNREADABLE",
                       fmt::format("config {} is not readable: its stored form is {}",
                                   config.id.ToString(), Quote(text)))
                  .With("config_id", config.id.ToString()));
}

}  // namespace tallyman
