// Whether this host can give nodes user namespaces, by a container that is made as nodes' are.
#pragma once

#include "agent/oci/oci_options.h"
#include "base/result.h"

namespace tallyman::agent::oci {

// It waits, and leaves nothing behind. Where nodes are not to have any, it only takes away what a
// trial that was killed has left. REQUIRES: the directories below the data directory and of this
// boot are there. FAILED_PRECONDITION USER_NAMESPACES_UNAVAILABLE says what is missing.
Status TryUserNamespaces(const OciRuntimeOptions& options);

}  // namespace tallyman::agent::oci
