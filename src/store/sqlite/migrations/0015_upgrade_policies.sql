-- Which releases the nodes of an org follow by themselves. `strategy` has the numbers of their rollouts.
CREATE TABLE upgrade_policies (
  id BLOB PRIMARY KEY,
  name TEXT NOT NULL,
  org_id BLOB NOT NULL REFERENCES orgs (id),
  protocol_id BLOB NOT NULL REFERENCES protocols (id),
  variant TEXT NOT NULL,
  level TEXT NOT NULL CHECK (level IN ('patch', 'minor', 'major')),
  version_range TEXT NOT NULL,
  pre_releases INTEGER NOT NULL CHECK (pre_releases IN (0, 1)),
  delay_us INTEGER NOT NULL CHECK (delay_us >= 0),
  strategy TEXT NOT NULL,
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  version INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX upgrade_policies_name ON upgrade_policies (name);
CREATE UNIQUE INDEX upgrade_policies_scope ON upgrade_policies (org_id, protocol_id, variant);

-- It may be gone by now.
ALTER TABLE rollouts ADD COLUMN policy_id BLOB;
-- However many servers look at a policy, it has one open rollout at most.
CREATE UNIQUE INDEX rollouts_policy ON rollouts (policy_id)
  WHERE policy_id IS NOT NULL AND ended_at IS NULL;
CREATE INDEX rollouts_of_policy ON rollouts (policy_id) WHERE policy_id IS NOT NULL;
