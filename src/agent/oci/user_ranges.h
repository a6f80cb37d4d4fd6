// The user ids of nodes that have user namespaces: for each node a range of the host's own, so that
// user 0 of a node is no user of the host, nor of another node. Groups have the same numbers.
//
// A range is kept in the node's directory: it outlives agents and upgrades, and goes with the node.
// Ranges are taken from what systemd's table of user ids lists as unused, above those of
// /etc/subuid and systemd-nspawn.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/ids.h"

namespace tallyman::agent::oci {

inline constexpr uint32_t kUserRangeIds = 65'536;

struct UserRange {
  uint32_t first = 0;  // on the host; 0 in the node

  friend bool operator==(const UserRange&, const UserRange&) = default;
};

// The last one is no node's: the agent tries it when it starts.
inline constexpr UserRange kFirstUserRange{0x7000'0000};
inline constexpr UserRange kTrialUserRange{0x7ffd'0000};

// Thread-safe.
class UserRanges {
 public:
  // `nodes` has a directory for each node.
  explicit UserRanges(std::filesystem::path nodes) : nodes_(std::move(nodes)) {}

  std::optional<UserRange> Find(const NodeId& id) const;
  // That of the node, or else the lowest that no node has. REQUIRES: the node's directory is there.
  // RESOURCE_EXHAUSTED USER_RANGES_EXHAUSTED.
  Result<UserRange> Take(const NodeId& id);
  // For a node that is started without: its next one need not be the same.
  Status Drop(const NodeId& id);

  // Images whose files have been looked at, in this process.
  bool IsKnownToFit(const ImageId& id) const;
  void KnowToFit(const ImageId& id);

 private:
  const std::filesystem::path nodes_;
  mutable std::mutex mutex_;
  std::set<ImageId> fitting_images_;
};

// What has an owner that is in no range: FAILED_PRECONDITION USER_ID_BEYOND_RANGE. `whose` is named
// in the message: `image "x"`.
//
// The user and groups of the config.json beside an image.
Status CheckUserFits(std::string_view image_config, const std::string& whose);
// The files of a tree; nothing to do where there is none. It blocks: see aside.h.
Status CheckOwnersFit(const std::filesystem::path& tree, const std::string& whose,
                      const std::stop_token& stop);

}  // namespace tallyman::agent::oci
