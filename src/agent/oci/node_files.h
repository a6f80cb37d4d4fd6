// /etc/hosts, /etc/hostname and /etc/resolv.conf of a node, made by its agent in a directory of the
// node's own, which the node can read only.
//
// A container has each of them mounted by inode. So they are rewritten in place and never replaced,
// or the container would go on with what they were when it was started.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tallyman {

// localhost, and the node's own name at the loopback address that Debian uses for that.
std::string RenderHosts(std::string_view host_name);

// Makes them below `info`/etc, or gives them what they should have now: `resolv_conf` is the host's
// own file, and may be missing. Writes nothing where nothing differs.
Status WriteNodeFiles(const std::filesystem::path& info, std::string_view host_name,
                      const std::filesystem::path& resolv_conf = "/etc/resolv.conf");

// The last of them alone, for a node that runs: nothing to do for one that an earlier release
// started, which has the host's own file. What cannot be read or written stays as it was until the
// next time: a node is not less healthy for it.
void RenewResolvConf(const std::filesystem::path& info,
                     const std::filesystem::path& resolv_conf = "/etc/resolv.conf");

}  // namespace tallyman
