-- Whether hosts can be expected to carry anything out. A heartbeat touches none of it: it changes when
-- a host is heard for the first time, has said nothing for too long, or is heard again.
ALTER TABLE hosts ADD COLUMN heard INTEGER NOT NULL DEFAULT 0 CHECK (heard IN (0, 1));
ALTER TABLE hosts ADD COLUMN silent_since INTEGER;
ALTER TABLE hosts ADD COLUMN cordoned INTEGER NOT NULL DEFAULT 0 CHECK (cordoned IN (0, 1));
UPDATE hosts SET heard = 1 WHERE id IN (SELECT host_id FROM host_reports);

-- The two orders of placement, over the hosts that take new nodes.
DROP INDEX hosts_spread;
DROP INDEX hosts_pack;
CREATE INDEX hosts_spread ON hosts (region_id, heard, node_count, free_cpu_cores DESC, id)
  WHERE cordoned = 0 AND silent_since IS NULL;
CREATE INDEX hosts_pack ON hosts (region_id, heard, free_cpu_cores, free_memory_bytes, id)
  WHERE cordoned = 0 AND silent_since IS NULL;
CREATE INDEX hosts_silent ON hosts (silent_since) WHERE silent_since IS NOT NULL;
