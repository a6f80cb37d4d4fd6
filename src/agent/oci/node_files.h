// /etc/hosts, /etc/hostname and /etc/resolv.conf of a node. The agent writes them in the node's own
// directory, which is read-only for the node.
//
// A container has each of them mounted by inode. So they are rewritten in place and never replaced,
// or the container would keep the old ones.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tallyman::agent::oci {

// localhost, and the node's own name at the loopback address that Debian uses for it.
std::string RenderHosts(std::string_view host_name);

// Creates or updates them below `info`/etc: `resolv_conf` is the host's own file and may be
// missing. Writes only what differs.
Status WriteNodeFiles(const std::filesystem::path& info, std::string_view host_name,
                      const std::filesystem::path& resolv_conf = "/etc/resolv.conf");

// Updates resolv.conf alone, for a running node; does nothing for a node that an earlier release
// started, which has the host's own file. A failure leaves the file unchanged until the next time
// and does not make the node unhealthy.
void RenewResolvConf(const std::filesystem::path& info,
                     const std::filesystem::path& resolv_conf = "/etc/resolv.conf");

}  // namespace tallyman::agent::oci
