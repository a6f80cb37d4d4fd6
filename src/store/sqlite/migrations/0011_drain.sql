-- An owner may both cordon a host and drain it: each is a claim of its own.
CREATE TABLE claims_of_hosts (
  host_id BLOB NOT NULL REFERENCES hosts (id),
  owner TEXT NOT NULL,
  kind TEXT NOT NULL,
  reason TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (host_id, owner, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO claims_of_hosts (host_id, owner, kind, reason, created_by, created_at)
  SELECT host_id, owner, kind, reason, created_by, created_at FROM host_claims;
DROP TABLE host_claims;
ALTER TABLE claims_of_hosts RENAME TO host_claims;

-- The nodes that a drain stopped, and by which command. They go with its claim.
CREATE TABLE drain_nodes (
  host_id BLOB NOT NULL,
  owner TEXT NOT NULL,
  kind TEXT NOT NULL DEFAULT 'drain' CHECK (kind = 'drain'),
  node_id BLOB NOT NULL REFERENCES nodes (id),
  command_id BLOB NOT NULL REFERENCES commands (id),
  PRIMARY KEY (host_id, owner, node_id),
  FOREIGN KEY (host_id, owner, kind) REFERENCES host_claims (host_id, owner, kind) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
