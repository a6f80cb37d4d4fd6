// Which commands are forgotten, once for all databases.
#pragma once

namespace tallyman::store {

#define TALLYMAN_CHANGES_CONFIG(c) c "kind IN ('node_create', 'node_upgrade', 'node_update')"
// The words by which both indexes of a node's commands are found.
#define TALLYMAN_IS_PENDING_OR_FAILED(c) c "state IN ('open', 'taken', 'unknown', 'failed')"
#define TALLYMAN_IS_ENDED(c) c "state IN ('settled', 'reverted', 'superseded', 'cancelled')"

// The `key` of each command that ended at or after $2 and before $1 and still has its payload,
// oldest first, at most $3. A command is forgotten together with the config that it led to, so each
// of these keeps it:
//   - its node has or runs the config, or did when it was gone, if that was not before $1
//   - it settled, and no later one settled before $1: until then the node had the config
//   - it failed, and no later one settled or was reverted before $1: until then it counted
//   - a transition that still counts leads from or to the config
//   - its host's last report names the config
// A node that was gone before $1 keeps nothing but what its host still reports.
#define TALLYMAN_FORGETTABLE(key, by_index) \
  "SELECT " key " FROM commands c" by_index " JOIN nodes n ON n.id = c.node_id "                  \
  "WHERE c.ended_at < $1 AND c.ended_at >= $2 AND c.payload <> '' AND (n.released_at < $1 "       \
  "OR c.to_config_id IS NULL OR (c.to_config_id <> n.config_id "                                  \
  "AND c.to_config_id <> coalesce(n.running_config_id, n.config_id) "                             \
  "AND (c.state NOT IN ('settled', 'failed') OR EXISTS (SELECT 1 FROM commands l "                \
  "WHERE l.node_id = c.node_id AND l.seq > c.seq AND l.ended_at < $1 "                            \
  "AND (l.state = 'settled' OR (l.state = 'reverted' AND c.state = 'failed')) "                   \
  "AND " TALLYMAN_IS_ENDED("l.") " AND " TALLYMAN_CHANGES_CONFIG("l.") ")) "                      \
  "AND NOT EXISTS (SELECT 1 FROM commands m WHERE m.node_id = c.node_id "                         \
  "AND " TALLYMAN_IS_PENDING_OR_FAILED("m.") " AND m.id <> c.id "                                 \
  "AND (m.from_config_id = c.to_config_id OR m.to_config_id = c.to_config_id) "                   \
  "AND (m.state <> 'failed' OR m.seq > coalesce((SELECT max(e.seq) FROM commands e "              \
  "WHERE e.node_id = c.node_id AND e.state IN ('settled', 'reverted') "                           \
  "AND " TALLYMAN_IS_ENDED("e.") " AND " TALLYMAN_CHANGES_CONFIG("e.") "), 0))))) "               \
  "AND NOT EXISTS (SELECT 1 FROM node_reports r WHERE r.host_id = c.host_id "                     \
  "AND r.node_id = c.node_id AND r.config_id = c.to_config_id) "                                  \
  "ORDER BY c.ended_at LIMIT $3"

}  // namespace tallyman::store
