// What a node with a user namespace sees: its image and its disk, mounted so that id 0 of a file is
// the first id of the node's range, and so on. Nothing changes on the disk.
//
// All of it is below places.mapped, in a directory of this boot, and is taken down in the opposite
// order, which may be done again after a crash anywhere. Free functions; thread-safe for different
// nodes. Needs Linux 5.19, for overlays of such mounts.
#pragma once

#include <chrono>
#include <filesystem>

#include "agent/oci/job.h"
#include "agent/oci/node_places.h"
#include "agent/oci/user_ranges.h"
#include "base/result.h"

namespace tallyman::agent::oci {

// A reason that is compared.
inline constexpr char kUserNamespacesUnavailable[] = "USER_NAMESPACES_UNAVAILABLE";

// The image, the node's disk, the root file system of both, and a read-only copy of /sys, which
// nobody can mount in a user namespace on the host's network. `layer` is what places.layers() has
// for this version, with "upper" and "work". REQUIRES: the disk is mounted, UnmountRoot() was done.
// FAILED_PRECONDITION USER_NAMESPACES_UNAVAILABLE.
Status MountMappedRoot(const NodePlaces& places, UserRange users,
                       const std::filesystem::path& image_root, const std::filesystem::path& layer);

// Takes down the root file system of a node, of whichever kind, and what it is made of, but for the
// disk itself. Nothing to do where there is none. UNAVAILABLE MOUNT_BUSY after `patience`.
Job<void> UnmountRoot(NodePlaces places, std::chrono::milliseconds patience);

// The host cannot do it: what is missing, and the way out.
Error UserNamespacesUnavailable(std::string missing);

}  // namespace tallyman::agent::oci
