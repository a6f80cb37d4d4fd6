// Checking firewall rules that callers send.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/image.h"

namespace tallyman {

// INVALID_ARGUMENT INVALID_FIREWALL_RULE names the field and the value: keys are names and appear
// once, addresses are IPv4 or IPv6 with an optional prefix length, ports are 1 to 65535.
Status CheckFirewallRules(std::string_view field, const std::vector<FirewallRule>& rules);

}  // namespace tallyman
