// How to reach registries of images.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tallyman::agent::oci {

struct RegistryOptions {
  // Credentials, as "skopeo login --authfile" writes them; empty: none.
  std::string authfile = {};
  // Registries without TLS, for those inside a closed network: HOST or HOST:PORT each.
  std::set<std::string> plain_http = {};
  bool all_plain_http = false;
  // HTTPS_PROXY, HTTP_PROXY and NO_PROXY for the tool that pulls, each NAME=VALUE.
  std::vector<std::string> variables = {};
};

// The registry HOST[:PORT] of docker://HOST[:PORT]/NAME; "" for other URIs.
inline std::string_view RegistryOf(std::string_view uri) {
  constexpr std::string_view kScheme = "docker://";
  if (!uri.starts_with(kScheme)) return "";
  uri.remove_prefix(kScheme.size());
  const std::string_view host = uri.substr(0, uri.find('/'));
  // Docker's rule: without one of these characters the first part belongs to the name.
  const bool is_host = host.size() < uri.size() &&
                       (host.find_first_of(".:") != std::string_view::npos || host == "localhost");
  return is_host ? host : "docker.io";
}

inline bool IsPlainHttp(const RegistryOptions& options, std::string_view uri) {
  return options.all_plain_http || options.plain_http.contains(std::string(RegistryOf(uri)));
}

}  // namespace tallyman::agent::oci
