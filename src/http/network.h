// Addresses of peers.
#pragma once

#include <string>

namespace tallyman::http {

// What belongs to one party, as a key: of IPv4 the address, however it is written; of IPv6 its /64.
std::string NetworkOf(const std::string& address);

}  // namespace tallyman::http
