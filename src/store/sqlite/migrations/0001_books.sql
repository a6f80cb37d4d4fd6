-- Ids are 16-byte UUIDs, times INTEGER microseconds since 1970, amounts whole cores and bytes, and
-- enums the words of the API. What these CHECKs cannot say cheaply (the words, the form of JSON on
-- rows that every upgrade writes) is checked where it is read.
--
-- A table whose key is an id has no rowid, except commands: their payload would not fit into a page
-- of a tree that is keyed by something else than an integer.

CREATE TABLE orgs (
  id BLOB NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE regions (
  id BLOB NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE protocols (
  id BLOB NOT NULL PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  org_id BLOB REFERENCES orgs (id),
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE protocol_versions (
  id BLOB NOT NULL PRIMARY KEY,
  protocol_id BLOB NOT NULL REFERENCES protocols (id),
  variant TEXT NOT NULL,
  semantic_version TEXT NOT NULL,
  org_id BLOB REFERENCES orgs (id),
  created_at INTEGER NOT NULL,
  UNIQUE (protocol_id, variant, semantic_version),
  UNIQUE (id, protocol_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE images (
  id BLOB NOT NULL PRIMARY KEY,
  protocol_version_id BLOB NOT NULL REFERENCES protocol_versions (id),
  build INTEGER NOT NULL CHECK (build >= 1),
  org_id BLOB REFERENCES orgs (id),
  uri TEXT NOT NULL,
  cpu_cores INTEGER NOT NULL CHECK (cpu_cores >= 0),
  memory_bytes INTEGER NOT NULL CHECK (memory_bytes >= 0),
  disk_bytes INTEGER NOT NULL CHECK (disk_bytes >= 0),
  firewall_rules TEXT NOT NULL CHECK (json_valid(firewall_rules)),
  committed_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (protocol_version_id, build)
) STRICT, WITHOUT ROWID;

CREATE TABLE image_properties (
  image_id BLOB NOT NULL REFERENCES images (id),
  key TEXT NOT NULL,
  description TEXT NOT NULL,
  default_value TEXT NOT NULL,
  add_cpu_cores INTEGER NOT NULL CHECK (add_cpu_cores >= 0),
  add_memory_bytes INTEGER NOT NULL CHECK (add_memory_bytes >= 0),
  add_disk_bytes INTEGER NOT NULL CHECK (add_disk_bytes >= 0),
  PRIMARY KEY (image_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE hosts (
  id BLOB NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  region_id BLOB NOT NULL REFERENCES regions (id),
  cpu_cores INTEGER NOT NULL CHECK (cpu_cores >= 0),
  memory_bytes INTEGER NOT NULL CHECK (memory_bytes >= 0),
  disk_bytes INTEGER NOT NULL CHECK (disk_bytes >= 0),
  capacity_policy TEXT,
  node_count INTEGER NOT NULL CHECK (node_count >= 0),
  node_cpu_cores INTEGER NOT NULL CHECK (node_cpu_cores >= 0),
  node_memory_bytes INTEGER NOT NULL CHECK (node_memory_bytes >= 0),
  node_disk_bytes INTEGER NOT NULL CHECK (node_disk_bytes >= 0),
  held_cpu_cores INTEGER NOT NULL CHECK (held_cpu_cores >= 0),
  held_memory_bytes INTEGER NOT NULL CHECK (held_memory_bytes >= 0),
  held_disk_bytes INTEGER NOT NULL CHECK (held_disk_bytes >= 0),
  ledger_seq INTEGER NOT NULL CHECK (ledger_seq >= 0),
  version INTEGER NOT NULL CHECK (version >= 1),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  free_cpu_cores INTEGER NOT NULL AS (cpu_cores - node_cpu_cores - held_cpu_cores) VIRTUAL,
  free_memory_bytes INTEGER NOT NULL AS (memory_bytes - node_memory_bytes - held_memory_bytes) VIRTUAL,
  free_disk_bytes INTEGER NOT NULL AS (disk_bytes - node_disk_bytes - held_disk_bytes) VIRTUAL
) STRICT, WITHOUT ROWID;

-- The two orders of placement.
CREATE INDEX hosts_spread ON hosts (region_id, node_count, free_cpu_cores DESC, id);
CREATE INDEX hosts_pack ON hosts (region_id, free_cpu_cores, free_memory_bytes, id);

CREATE TABLE configs (
  id BLOB NOT NULL PRIMARY KEY,
  image_id BLOB NOT NULL REFERENCES images (id),
  json TEXT NOT NULL,
  cpu_cores INTEGER NOT NULL CHECK (cpu_cores >= 0),
  memory_bytes INTEGER NOT NULL CHECK (memory_bytes >= 0),
  disk_bytes INTEGER NOT NULL CHECK (disk_bytes >= 0),
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a node copies from its config; the foreign key of nodes points here.
CREATE UNIQUE INDEX configs_fields ON configs (id, image_id, cpu_cores, memory_bytes, disk_bytes);

CREATE TABLE nodes (
  id BLOB NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  org_id BLOB NOT NULL REFERENCES orgs (id),
  host_id BLOB NOT NULL REFERENCES hosts (id),
  image_id BLOB NOT NULL,
  config_id BLOB NOT NULL,
  protocol_id BLOB NOT NULL,
  protocol_version_id BLOB NOT NULL,
  semantic_version TEXT NOT NULL,
  auto_upgrade INTEGER NOT NULL CHECK (auto_upgrade IN (0, 1)),
  node_state TEXT NOT NULL,
  next_state TEXT,
  cpu_cores INTEGER NOT NULL CHECK (cpu_cores >= 0),
  memory_bytes INTEGER NOT NULL CHECK (memory_bytes >= 0),
  disk_bytes INTEGER NOT NULL CHECK (disk_bytes >= 0),
  held_cpu_cores INTEGER NOT NULL CHECK (held_cpu_cores >= 0),
  held_memory_bytes INTEGER NOT NULL CHECK (held_memory_bytes >= 0),
  held_disk_bytes INTEGER NOT NULL CHECK (held_disk_bytes >= 0),
  running_config_id BLOB REFERENCES configs (id),
  handed_out INTEGER NOT NULL CHECK (handed_out IN (0, 1)),
  version INTEGER NOT NULL CHECK (version >= 1),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  released_at INTEGER,
  deleted_at INTEGER,
  -- Half of what keeps the books true: a node is charged what its config says. The image is real
  -- because the config's is.
  FOREIGN KEY (config_id, image_id, cpu_cores, memory_bytes, disk_bytes)
    REFERENCES configs (id, image_id, cpu_cores, memory_bytes, disk_bytes),
  -- The version is one of the protocol.
  FOREIGN KEY (protocol_version_id, protocol_id) REFERENCES protocol_versions (id, protocol_id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX nodes_name ON nodes (name) WHERE deleted_at IS NULL;
-- Deleted nodes are found by name as well: their events and ledger entries stay.
CREATE INDEX nodes_any_name ON nodes (name);
CREATE INDEX nodes_org ON nodes (org_id) WHERE released_at IS NULL AND deleted_at IS NULL;
-- The sums of a host never touch the rows.
CREATE INDEX nodes_live
  ON nodes (host_id, released_at, deleted_at, cpu_cores, memory_bytes, disk_bytes, held_cpu_cores,
            held_memory_bytes, held_disk_bytes)
  WHERE deleted_at IS NULL;

CREATE TABLE commands (
  id BLOB NOT NULL PRIMARY KEY,
  node_id BLOB NOT NULL REFERENCES nodes (id),
  host_id BLOB NOT NULL REFERENCES hosts (id),
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  seq INTEGER NOT NULL CHECK (seq >= 1),
  attempt INTEGER NOT NULL CHECK (attempt >= 1),
  from_config_id BLOB REFERENCES configs (id),
  to_config_id BLOB REFERENCES configs (id),
  payload TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  ended_at INTEGER
) STRICT;

-- One upgrade of a node that no host has taken.
CREATE UNIQUE INDEX commands_open_upgrade ON commands (node_id)
  WHERE state = 'open' AND kind = 'node_upgrade';
-- What still counts for a node's hold.
CREATE INDEX commands_pending ON commands (node_id, seq, state, to_config_id)
  WHERE state IN ('open', 'taken', 'unknown', 'failed');
-- The others of a node; among them what ends the effect of a failed transition before it.
CREATE INDEX commands_ended ON commands (node_id, seq, state)
  WHERE state IN ('settled', 'reverted', 'superseded', 'cancelled');

-- Entries of a node are found through its host, which never changes.
CREATE TABLE ledger (
  host_id BLOB NOT NULL REFERENCES hosts (id),
  seq INTEGER NOT NULL CHECK (seq >= 1),
  node_id BLOB REFERENCES nodes (id),
  kind TEXT NOT NULL,
  delta_node_count INTEGER NOT NULL,
  delta_cpu_cores INTEGER NOT NULL,
  delta_memory_bytes INTEGER NOT NULL,
  delta_disk_bytes INTEGER NOT NULL,
  balance_node_count INTEGER NOT NULL CHECK (balance_node_count >= 0),
  balance_cpu_cores INTEGER NOT NULL CHECK (balance_cpu_cores >= 0),
  balance_memory_bytes INTEGER NOT NULL CHECK (balance_memory_bytes >= 0),
  balance_disk_bytes INTEGER NOT NULL CHECK (balance_disk_bytes >= 0),
  corrections TEXT,
  request_id TEXT NOT NULL,
  actor_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (host_id, seq)
) STRICT, WITHOUT ROWID;

-- With one writer the cursor's order is the order of the commits; no cursor is ever given twice.
CREATE TABLE events (
  cursor INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  org_id BLOB REFERENCES orgs (id),
  host_id BLOB REFERENCES hosts (id),
  node_id BLOB REFERENCES nodes (id),
  actor_id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  detail TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX events_node ON events (node_id) WHERE node_id IS NOT NULL;

-- The nil org stands for an actor of all orgs, so org_id is no foreign key.
CREATE TABLE requests (
  org_id BLOB NOT NULL,
  actor_id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  method TEXT NOT NULL,
  address TEXT NOT NULL,
  body_digest TEXT NOT NULL,
  response BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (org_id, actor_id, request_id)
) STRICT, WITHOUT ROWID;
