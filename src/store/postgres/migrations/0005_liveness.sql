-- Whether hosts can be expected to carry anything out. A heartbeat touches none of it: it changes when
-- a host is heard for the first time, has said nothing for too long, or is heard again.
ALTER TABLE hosts ADD COLUMN heard boolean NOT NULL DEFAULT false;
ALTER TABLE hosts ADD COLUMN silent_since bigint;
ALTER TABLE hosts ADD COLUMN cordoned boolean NOT NULL DEFAULT false;
ALTER TABLE hosts ADD COLUMN retired_at bigint;
UPDATE hosts SET heard = true WHERE id IN (SELECT host_id FROM host_reports);

-- The two orders of placement, over the hosts that take new nodes.
DROP INDEX hosts_spread, hosts_pack;
CREATE INDEX hosts_spread ON hosts (region_id, heard, node_count, free_cpu_cores DESC, id)
  WHERE NOT cordoned AND silent_since IS NULL;
CREATE INDEX hosts_pack ON hosts (region_id, heard, free_cpu_cores, free_memory_bytes, id)
  WHERE NOT cordoned AND silent_since IS NULL;
CREATE INDEX hosts_silent ON hosts (silent_since) WHERE silent_since IS NOT NULL;

-- Who keeps new nodes off a host: it is cordoned while there is any claim, which audits compare.
CREATE TABLE host_claims (
  host_id uuid NOT NULL REFERENCES hosts (id),
  owner text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL,
  created_by text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  PRIMARY KEY (host_id, owner)
);
