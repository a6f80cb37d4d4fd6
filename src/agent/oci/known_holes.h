// Known holes in the tools that a host's nodes depend on, by the versions that are installed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tallyman {

// Pure. One sentence for a person, naming each hole and the way out; empty: none is known.
// `version` is what `tool --version` prints. A hole that `changelog` names is closed, as in the
// packages of distributions, which close holes and keep the version.
std::string DescribeHoles(std::string_view tool, std::string_view version,
                          std::string_view changelog);

// One for each tool of this host that has some.
std::vector<std::string> FindKnownHoles();

}  // namespace tallyman
