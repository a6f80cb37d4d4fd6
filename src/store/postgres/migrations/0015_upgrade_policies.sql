-- Which releases the nodes of an org follow by themselves. `strategy` has the numbers of their rollouts.
CREATE TABLE upgrade_policies (
  id uuid PRIMARY KEY,
  name text COLLATE "C" NOT NULL,
  org_id uuid NOT NULL REFERENCES orgs (id),
  protocol_id uuid NOT NULL REFERENCES protocols (id),
  variant text COLLATE "C" NOT NULL,
  level text NOT NULL CHECK (level IN ('patch', 'minor', 'major')),
  version_range text NOT NULL,
  pre_releases boolean NOT NULL,
  delay_us bigint NOT NULL CHECK (delay_us >= 0),
  strategy text NOT NULL,
  enabled boolean NOT NULL,
  version bigint NOT NULL,
  created_by text NOT NULL,
  created_at bigint NOT NULL
);

CREATE UNIQUE INDEX upgrade_policies_name ON upgrade_policies (name);
CREATE UNIQUE INDEX upgrade_policies_scope ON upgrade_policies (org_id, protocol_id, variant);

-- It may be gone by now.
ALTER TABLE rollouts ADD COLUMN policy_id uuid;
-- However many servers look at a policy, it has one open rollout at most.
CREATE UNIQUE INDEX rollouts_policy ON rollouts (policy_id)
  WHERE policy_id IS NOT NULL AND ended_at IS NULL;
CREATE INDEX rollouts_of_policy ON rollouts (policy_id) WHERE policy_id IS NOT NULL;
