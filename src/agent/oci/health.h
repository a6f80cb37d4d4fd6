// Describes the failure of a health command.
#pragma once

#include <string>
#include <vector>

#include "agent/oci/process.h"

namespace tallyman::agent::oci {

// Pure. Says whether it failed, is missing in the image, or the image has no shell for it; with the
// end of its output, valid UTF-8, a few hundred bytes.
std::string DescribeFailedProbe(const std::vector<std::string>& command,
                                const ProcessResult& result);

}  // namespace tallyman::agent::oci
