#include "agent/oci/environment.h"

#include <algorithm>
#include <boost/json.hpp>

namespace tallyman::agent::oci {
namespace {

namespace json = boost::json;

constexpr std::string_view kReservedNames[] = {"HOME", "PATH"};
constexpr std::string_view kReservedPrefixes[] = {"LD_", "TALLYMAN_"};

void Set(json::array& environment, const std::string& name, const std::string& value) {
  auto same = [&](const json::value& line) {
    return line.is_string() && std::string_view(line.as_string()).starts_with(name + "=");
  };
  environment.erase(std::remove_if(environment.begin(), environment.end(), same),
                    environment.end());
  environment.push_back(json::string(name + "=" + value));
}

}  // namespace

std::string VariableName(std::string_view key) {
  std::string name;
  for (char c : key) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    bool digit = c >= '0' && c <= '9';
    name += letter && c >= 'a' ? static_cast<char>(c - 'a' + 'A') : (letter || digit ? c : '_');
  }
  return name;
}

bool IsReservedVariable(std::string_view name) {
  return std::ranges::find(kReservedNames, name) != std::end(kReservedNames) ||
         std::ranges::any_of(kReservedPrefixes,
                             [&](std::string_view prefix) { return name.starts_with(prefix); });
}

void PlanEnvironment(json::array& environment, const NodeSpec& spec) {
  for (const auto& [key, value] : spec.values) {
    const std::string name = VariableName(key);
    if (!IsReservedVariable(name)) Set(environment, name, value);
  }
  Set(environment, "TALLYMAN_NODE_ID", spec.node_id.ToString());
  Set(environment, "TALLYMAN_NODE_NAME", spec.name);
}

}  // namespace tallyman::agent::oci
