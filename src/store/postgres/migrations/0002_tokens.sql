-- Of a token's secret only a digest is kept. Rows stay after revocation: they explain the records.
CREATE TABLE tokens (
  id uuid PRIMARY KEY,
  name text COLLATE "C" NOT NULL,
  secret_digest text COLLATE "C" NOT NULL CHECK (length(secret_digest) = 64),
  role text COLLATE "C" NOT NULL,
  org_id uuid REFERENCES orgs (id),
  host_id uuid REFERENCES hosts (id),
  created_by text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint,
  revoked_at bigint,
  used_at bigint,
  nonce_digest text COLLATE "C",
  CHECK ((used_at IS NULL) = (nonce_digest IS NULL))
);

-- A name is who did it, so no two that are in force share one.
CREATE UNIQUE INDEX tokens_name ON tokens (name) WHERE revoked_at IS NULL AND used_at IS NULL;
CREATE INDEX tokens_host ON tokens (host_id) WHERE host_id IS NOT NULL;

-- The audit trail is read by time, and forgotten by time.
CREATE INDEX requests_time ON requests (created_at);
