// What is said of a health command that failed.
#pragma once

#include <string>
#include <vector>

#include "agent/oci/process.h"

namespace tallyman {

// Pure. Whether it failed, is missing in the image, or the image has no shell for it; with the end
// of what it printed, valid UTF-8, a few hundred bytes.
std::string DescribeFailedProbe(const std::vector<std::string>& command,
                                const ProcessResult& result);

}  // namespace tallyman
