#include "http/network.h"

#include <arpa/inet.h>

#include "base/bytes.h"

namespace tallyman::http {

// Who has one IPv6 address has all of its /64. A socket for both kinds shows IPv4 as "::ffff:...".
std::string NetworkOf(const std::string& address) {
  constexpr size_t kNetworkBytes = 8;
  in6_addr parsed{};
  if (::inet_pton(AF_INET6, address.c_str(), &parsed) != 1) return address;
  if (IN6_IS_ADDR_V4MAPPED(&parsed)) {
    char text[INET_ADDRSTRLEN] = {};
    ::inet_ntop(AF_INET, &parsed.s6_addr[sizeof parsed - sizeof(in_addr)], text, sizeof text);
    return text;
  }
  return ToHex({reinterpret_cast<const char*>(&parsed), kNetworkBytes});
}

}  // namespace tallyman::http
