// The system calls that a node may make: an allow-list modelled on Docker's default profile. Any
// other call fails with EPERM, so that programs continue as they would without the right. Pure.
#pragma once

#include <boost/json/fwd.hpp>
#include <string_view>

namespace tallyman::agent::oci {

// linux.seccomp of a config.json. `machine` is the host's machine name from uname(2): 64-bit and
// 32-bit programs are known for "x86_64" (x32 is neither) and "aarch64"; elsewhere only those of
// the host's own kind.
boost::json::object SeccompProfile(std::string_view machine);

}  // namespace tallyman::agent::oci
