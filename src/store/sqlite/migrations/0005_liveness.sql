-- Whether hosts can be expected to carry anything out. A heartbeat touches none of it: it changes when
-- a host is heard for the first time, has said nothing for too long, or is heard again.
ALTER TABLE hosts ADD COLUMN heard INTEGER NOT NULL DEFAULT 0 CHECK (heard IN (0, 1));
ALTER TABLE hosts ADD COLUMN silent_since INTEGER;
ALTER TABLE hosts ADD COLUMN cordoned INTEGER NOT NULL DEFAULT 0 CHECK (cordoned IN (0, 1));
ALTER TABLE hosts ADD COLUMN retired_at INTEGER;
UPDATE hosts SET heard = 1 WHERE id IN (SELECT host_id FROM host_reports);

-- The two orders of placement, over the hosts that take new nodes.
DROP INDEX hosts_spread;
DROP INDEX hosts_pack;
CREATE INDEX hosts_spread ON hosts (region_id, heard, node_count, free_cpu_cores DESC, id)
  WHERE cordoned = 0 AND silent_since IS NULL;
CREATE INDEX hosts_pack ON hosts (region_id, heard, free_cpu_cores, free_memory_bytes, id)
  WHERE cordoned = 0 AND silent_since IS NULL;
CREATE INDEX hosts_silent ON hosts (silent_since) WHERE silent_since IS NOT NULL;

-- Who keeps new nodes off a host: it is cordoned while there is any claim, which audits compare.
CREATE TABLE host_claims (
  host_id BLOB NOT NULL REFERENCES hosts (id),
  owner TEXT NOT NULL,
  kind TEXT NOT NULL,
  reason TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (host_id, owner)
) STRICT, WITHOUT ROWID;
