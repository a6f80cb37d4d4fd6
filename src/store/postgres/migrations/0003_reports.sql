-- What hosts report. Kept apart from hosts and nodes, which a heartbeat never touches.
CREATE TABLE host_reports (
  host_id uuid PRIMARY KEY REFERENCES hosts (id),
  sequence bigint NOT NULL CHECK (sequence >= 1),
  heard_at bigint NOT NULL,
  status_at bigint,
  cpu_cores bigint CHECK (cpu_cores >= 0),
  memory_bytes bigint CHECK (memory_bytes >= 0),
  disk_bytes bigint CHECK (disk_bytes >= 0),
  agent_version text COLLATE "C"
) WITH (fillfactor = 50);

-- What the last status of each host said of each node. A host may speak of nodes and configs that
-- are none of ours, and an audit wants to know, so these are no foreign keys.
CREATE TABLE node_reports (
  host_id uuid NOT NULL REFERENCES hosts (id),
  node_id uuid NOT NULL,
  config_id uuid,
  image_uri text COLLATE "C" NOT NULL,
  container_id text COLLATE "C" NOT NULL,
  run_state text COLLATE "C" NOT NULL,
  health text COLLATE "C" NOT NULL,
  cpu_cores bigint NOT NULL CHECK (cpu_cores >= 0),
  memory_bytes bigint NOT NULL CHECK (memory_bytes >= 0),
  disk_bytes bigint NOT NULL CHECK (disk_bytes >= 0),
  pending boolean NOT NULL,
  remains boolean NOT NULL,
  changed_at bigint NOT NULL,
  PRIMARY KEY (host_id, node_id)
) WITH (fillfactor = 50);

ALTER TABLE commands ADD COLUMN taken_at bigint;
ALTER TABLE commands ADD COLUMN not_before bigint;
ALTER TABLE commands ADD COLUMN outcome text COLLATE "C" NOT NULL DEFAULT '';

-- What a host can be given, and what it has had for how long.
CREATE INDEX commands_open ON commands (host_id, node_id, seq) WHERE state = 'open';
CREATE INDEX commands_taken ON commands (taken_at) WHERE state = 'taken';
