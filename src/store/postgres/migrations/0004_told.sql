-- What hosts tell of themselves and their nodes beyond what an audit compares. Texts are cut before
-- they come here.
ALTER TABLE host_reports ADD COLUMN reserved_cpu_cores bigint CHECK (reserved_cpu_cores >= 0);
ALTER TABLE host_reports ADD COLUMN reserved_memory_bytes bigint CHECK (reserved_memory_bytes >= 0);
ALTER TABLE host_reports ADD COLUMN reserved_disk_bytes bigint CHECK (reserved_disk_bytes >= 0);
ALTER TABLE host_reports ADD COLUMN thin_disks boolean;
ALTER TABLE host_reports ADD COLUMN problem text COLLATE "C";
-- Incidents of the host up to this number were processed, since it last joined.
ALTER TABLE host_reports ADD COLUMN incident_number bigint NOT NULL DEFAULT 0;

ALTER TABLE node_reports ADD COLUMN restarts bigint NOT NULL DEFAULT 0;
ALTER TABLE node_reports ADD COLUMN health_message text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE node_reports ADD COLUMN problem text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE node_reports ADD COLUMN image_digest text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE node_reports ADD COLUMN disk_used_bytes bigint NOT NULL DEFAULT 0;
-- How the container ended the last time; all five are null where it never has.
ALTER TABLE node_reports ADD COLUMN end_exit_code bigint;
ALTER TABLE node_reports ADD COLUMN end_signal bigint;
ALTER TABLE node_reports ADD COLUMN end_out_of_memory boolean;
ALTER TABLE node_reports ADD COLUMN end_at bigint;
ALTER TABLE node_reports ADD COLUMN end_output text COLLATE "C";

-- How often something happened to a node. Apart from node_reports, whose rows go when a host does
-- not name a node once.
CREATE TABLE node_incidents (
  node_id uuid NOT NULL REFERENCES nodes (id),
  kind text COLLATE "C" NOT NULL,
  count bigint NOT NULL CHECK (count >= 1),
  PRIMARY KEY (node_id, kind)
) WITH (fillfactor = 50);
