-- Upgrades of many nodes in waves. `plan` has what a rollout was made with, and how far its waves are.
CREATE TABLE rollouts (
  id BLOB PRIMARY KEY,
  name TEXT NOT NULL,
  org_id BLOB REFERENCES orgs (id),
  image_id BLOB NOT NULL REFERENCES images (id),
  state TEXT NOT NULL CHECK (state IN ('running', 'paused', 'aborting', 'done', 'aborted')),
  why TEXT NOT NULL,
  wave INTEGER NOT NULL CHECK (wave >= 0),
  created_by TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  progress_at INTEGER NOT NULL,
  ended_at INTEGER,
  plan TEXT NOT NULL,
  CHECK ((ended_at IS NULL) = (state IN ('running', 'paused', 'aborting')))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX rollouts_name ON rollouts (name);
CREATE INDEX rollouts_open ON rollouts (id) WHERE ended_at IS NULL;

CREATE TABLE rollout_nodes (
  rollout_id BLOB NOT NULL REFERENCES rollouts (id),
  node_id BLOB NOT NULL REFERENCES nodes (id),
  host_id BLOB NOT NULL REFERENCES hosts (id),
  wave INTEGER NOT NULL,
  place INTEGER NOT NULL,
  state TEXT NOT NULL
    CHECK (state IN ('waiting', 'released', 'healthy', 'failed', 'skipped', 'withdrawn')),
  why TEXT NOT NULL,
  from_config_id BLOB NOT NULL REFERENCES configs (id),
  command_id BLOB REFERENCES commands (id),
  not_before INTEGER,
  released_at INTEGER,
  decided_at INTEGER,
  PRIMARY KEY (rollout_id, node_id)
) STRICT, WITHOUT ROWID;

-- A node is in one open rollout at most.
CREATE UNIQUE INDEX rollout_nodes_open ON rollout_nodes (node_id)
  WHERE state IN ('waiting', 'released');
CREATE INDEX rollout_nodes_waiting ON rollout_nodes (rollout_id, wave, place) WHERE state = 'waiting';
CREATE INDEX rollout_nodes_by_state ON rollout_nodes (rollout_id, state, wave);
