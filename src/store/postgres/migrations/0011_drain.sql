-- An owner may both cordon a host and drain it: each is a claim of its own.
ALTER TABLE host_claims DROP CONSTRAINT host_claims_pkey;
ALTER TABLE host_claims ADD PRIMARY KEY (host_id, owner, kind);

-- The nodes that a drain stopped, and by which command. They go with its claim.
CREATE TABLE drain_nodes (
  host_id uuid NOT NULL,
  owner text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL DEFAULT 'drain' CHECK (kind = 'drain'),
  node_id uuid NOT NULL REFERENCES nodes (id),
  command_id uuid NOT NULL REFERENCES commands (id),
  PRIMARY KEY (host_id, owner, node_id),
  FOREIGN KEY (host_id, owner, kind) REFERENCES host_claims (host_id, owner, kind) ON DELETE CASCADE
);
