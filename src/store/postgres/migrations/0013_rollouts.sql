-- Upgrades of many nodes in waves. `plan` has what a rollout was made with, and how far its waves are.
CREATE TABLE rollouts (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  org_id uuid REFERENCES orgs (id),
  image_id uuid NOT NULL REFERENCES images (id),
  state text NOT NULL CHECK (state IN ('running', 'paused', 'aborting', 'done', 'aborted')),
  why text NOT NULL,
  wave bigint NOT NULL CHECK (wave >= 0),
  created_by text NOT NULL,
  version bigint NOT NULL,
  created_at bigint NOT NULL,
  progress_at bigint NOT NULL,
  ended_at bigint,
  plan text NOT NULL,
  CHECK ((ended_at IS NULL) = (state IN ('running', 'paused', 'aborting')))
);

CREATE UNIQUE INDEX rollouts_name ON rollouts (name);
CREATE INDEX rollouts_open ON rollouts (id) WHERE ended_at IS NULL;

CREATE TABLE rollout_nodes (
  rollout_id uuid NOT NULL REFERENCES rollouts (id),
  node_id uuid NOT NULL REFERENCES nodes (id),
  host_id uuid NOT NULL REFERENCES hosts (id),
  wave bigint NOT NULL,
  place bigint NOT NULL,
  state text NOT NULL
    CHECK (state IN ('waiting', 'released', 'healthy', 'failed', 'skipped', 'withdrawn')),
  why text NOT NULL,
  from_config_id uuid NOT NULL REFERENCES configs (id),
  command_id uuid REFERENCES commands (id),
  not_before bigint,
  released_at bigint,
  decided_at bigint,
  PRIMARY KEY (rollout_id, node_id)
);

-- A node is in one open rollout at most.
CREATE UNIQUE INDEX rollout_nodes_open ON rollout_nodes (node_id)
  WHERE state IN ('waiting', 'released');
CREATE INDEX rollout_nodes_waiting ON rollout_nodes (rollout_id, wave, place) WHERE state = 'waiting';
CREATE INDEX rollout_nodes_by_state ON rollout_nodes (rollout_id, state, wave);
