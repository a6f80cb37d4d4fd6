-- What hosts tell of themselves and their nodes beyond what an audit compares. Texts are cut before
-- they come here.
ALTER TABLE host_reports ADD COLUMN reserved_cpu_cores INTEGER CHECK (reserved_cpu_cores >= 0);
ALTER TABLE host_reports ADD COLUMN reserved_memory_bytes INTEGER CHECK (reserved_memory_bytes >= 0);
ALTER TABLE host_reports ADD COLUMN reserved_disk_bytes INTEGER CHECK (reserved_disk_bytes >= 0);
ALTER TABLE host_reports ADD COLUMN thin_disks INTEGER CHECK (thin_disks IN (0, 1));
ALTER TABLE host_reports ADD COLUMN problem TEXT;
-- Incidents of the host up to this number were processed, since it last joined.
ALTER TABLE host_reports ADD COLUMN incident_number INTEGER NOT NULL DEFAULT 0;

ALTER TABLE node_reports ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE node_reports ADD COLUMN health_message TEXT NOT NULL DEFAULT '';
ALTER TABLE node_reports ADD COLUMN problem TEXT NOT NULL DEFAULT '';
ALTER TABLE node_reports ADD COLUMN image_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE node_reports ADD COLUMN disk_used_bytes INTEGER NOT NULL DEFAULT 0;
-- How the container ended the last time; all five are null where it never has.
ALTER TABLE node_reports ADD COLUMN end_exit_code INTEGER;
ALTER TABLE node_reports ADD COLUMN end_signal INTEGER;
ALTER TABLE node_reports ADD COLUMN end_out_of_memory INTEGER CHECK (end_out_of_memory IN (0, 1));
ALTER TABLE node_reports ADD COLUMN end_at INTEGER;
ALTER TABLE node_reports ADD COLUMN end_output TEXT;

-- How often something happened to a node. Apart from node_reports, whose rows go when a host does
-- not name a node once.
CREATE TABLE node_incidents (
  node_id BLOB NOT NULL REFERENCES nodes (id),
  kind TEXT NOT NULL,
  count INTEGER NOT NULL CHECK (count >= 1),
  PRIMARY KEY (node_id, kind)
) STRICT, WITHOUT ROWID;
