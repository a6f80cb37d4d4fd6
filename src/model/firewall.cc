#include "model/firewall.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <set>
#include <string>

#include "base/checked.h"
#include "base/text.h"

namespace tallyman {
namespace {

bool IsAddress(const std::string& text) {
  std::string address = text.substr(0, text.find('/'));
  unsigned char bytes[16];
  bool v4 = inet_pton(AF_INET, address.c_str(), bytes) == 1;
  bool v6 = !v4 && inet_pton(AF_INET6, address.c_str(), bytes) == 1;
  if (!v4 && !v6) return false;
  if (address.size() == text.size()) return true;
  auto length = ParseInt64(std::string_view(text).substr(address.size() + 1));
  return length && *length >= 0 && *length <= (v4 ? 32 : 128);
}

}  // namespace

Status CheckFirewallRules(std::string_view field, const std::vector<FirewallRule>& rules) {
  std::set<std::string_view> keys;
  for (size_t i = 0; i < rules.size(); ++i) {
    const FirewallRule& rule = rules[i];
    auto refuse = [&](std::string_view part, std::string_view value, std::string_view why) {
      std::string where = fmt::format("{}[{}].{}", field, i, part);
      return Fail(InvalidArgument("INVALID_FIREWALL_RULE",
                                  fmt::format("{} is {}: {}", where, Quote(value), why))
                      .With("field", where)
                      .With("value", Quote(value)));
    };
    RETURN_IF_ERROR(CheckName(fmt::format("{}[{}].key", field, i), rule.key));
    if (!keys.insert(rule.key).second) return refuse("key", rule.key, "the key is used twice");
    for (const std::string& ip : rule.ips) {
      if (!IsAddress(ip))
        return refuse("ips", ip, "write an IPv4 or IPv6 address, such as 10.0.0.0/8");
    }
    for (int64_t port : rule.ports) {
      if (port < 1 || port > 65535)
        return refuse("ports", std::to_string(port), "ports are 1 to 65535");
    }
  }
  return {};
}

}  // namespace tallyman
