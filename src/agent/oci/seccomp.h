// The system calls that a node may make: an allow-list after the model of Docker's default profile.
// What is not on it fails with EPERM, so that programs see a refusal and go on as they would
// without the right. Pure.
#pragma once

#include <boost/json/fwd.hpp>
#include <string_view>

namespace tallyman {

// linux.seccomp of a config.json. `machine` is what uname(2) says of the host: programs of 64 and
// of 32 bits are known for "x86_64" (x32 is neither) and "aarch64"; elsewhere those of the host's
// own kind.
boost::json::object SeccompProfile(std::string_view machine);

}  // namespace tallyman
