// The secrets of a node: files in memory, one for each, that its user can read and nobody can
// write.
//
// They are kept in a file of the node's directory, for root only, so that a start needs neither the
// agent's journal nor the control plane. Free functions; thread-safe for different nodes.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "agent/oci/bundle_image.h"
#include "agent/oci/job.h"
#include "agent/oci/node_places.h"
#include "agent/oci/user_ranges.h"
#include "base/result.h"

namespace tallyman::agent::oci {

// Where a node sees them.
inline constexpr const char* kSecretsInNode = "/tallyman/secrets";

// Replaces what is kept; no secrets: no file.
Status KeepSecrets(const NodePlaces& places, const std::map<std::string, std::string>& secrets);

// Makes the files at places.secrets, of what is kept, for `user` of the node; nothing to do where
// nothing is kept. REQUIRES: UnmountSecrets() was done. DATA_LOSS SECRETS_UNREADABLE.
Status MountSecrets(const NodePlaces& places, const DataOwner& user,
                    std::optional<UserRange> users);
// Takes them down; nothing to do where there are none. UNAVAILABLE MOUNT_BUSY after `patience`.
Job<void> UnmountSecrets(NodePlaces places, std::chrono::milliseconds patience);

}  // namespace tallyman::agent::oci
