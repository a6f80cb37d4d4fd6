// Known vulnerabilities in the tools on which a host's nodes depend, by the installed versions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tallyman::agent::oci {

// Pure. One sentence for a person that names each vulnerability and the way out; empty: none is
// known. `version` is the output of `tool --version`. A vulnerability that `changelog` names counts
// as fixed, because distributions fix vulnerabilities and keep the version.
std::string DescribeHoles(std::string_view tool, std::string_view version,
                          std::string_view changelog);

// One sentence for each tool of this host that has known vulnerabilities.
std::vector<std::string> FindKnownHoles();

}  // namespace tallyman::agent::oci
