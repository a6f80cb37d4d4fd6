-- Of a token's secret only a digest is kept. Rows stay after revocation: they explain the records.
CREATE TABLE tokens (
  id BLOB NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  secret_digest TEXT NOT NULL CHECK (length(secret_digest) = 64),
  role TEXT NOT NULL,
  org_id BLOB REFERENCES orgs (id),
  host_id BLOB REFERENCES hosts (id),
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  used_at INTEGER,
  nonce_digest TEXT,
  CHECK ((used_at IS NULL) = (nonce_digest IS NULL))
) STRICT, WITHOUT ROWID;

-- A name is who did it, so no two that are in force share one.
CREATE UNIQUE INDEX tokens_name ON tokens (name) WHERE revoked_at IS NULL AND used_at IS NULL;
CREATE INDEX tokens_host ON tokens (host_id) WHERE host_id IS NOT NULL;

-- The audit trail is read by time, and forgotten by time.
CREATE INDEX requests_time ON requests (created_at);
