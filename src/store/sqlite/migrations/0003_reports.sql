-- What hosts report. Kept apart from hosts and nodes, which a heartbeat never touches.
CREATE TABLE host_reports (
  host_id BLOB NOT NULL PRIMARY KEY REFERENCES hosts (id),
  sequence INTEGER NOT NULL CHECK (sequence >= 1),
  heard_at INTEGER NOT NULL,
  status_at INTEGER,
  cpu_cores INTEGER CHECK (cpu_cores >= 0),
  memory_bytes INTEGER CHECK (memory_bytes >= 0),
  disk_bytes INTEGER CHECK (disk_bytes >= 0),
  agent_version TEXT
) STRICT, WITHOUT ROWID;

-- What the last status of each host said of each node. A host may speak of nodes and configs that
-- are none of ours, and an audit wants to know, so these are no foreign keys.
CREATE TABLE node_reports (
  host_id BLOB NOT NULL REFERENCES hosts (id),
  node_id BLOB NOT NULL,
  config_id BLOB,
  image_uri TEXT NOT NULL,
  container_id TEXT NOT NULL,
  run_state TEXT NOT NULL,
  health TEXT NOT NULL,
  cpu_cores INTEGER NOT NULL CHECK (cpu_cores >= 0),
  memory_bytes INTEGER NOT NULL CHECK (memory_bytes >= 0),
  disk_bytes INTEGER NOT NULL CHECK (disk_bytes >= 0),
  pending INTEGER NOT NULL CHECK (pending IN (0, 1)),
  remains INTEGER NOT NULL CHECK (remains IN (0, 1)),
  changed_at INTEGER NOT NULL,
  PRIMARY KEY (host_id, node_id)
) STRICT, WITHOUT ROWID;

ALTER TABLE commands ADD COLUMN taken_at INTEGER;
ALTER TABLE commands ADD COLUMN not_before INTEGER;
ALTER TABLE commands ADD COLUMN outcome TEXT NOT NULL DEFAULT '';

-- What a host can be given, and what it has had for how long.
CREATE INDEX commands_open ON commands (host_id, node_id, seq) WHERE state = 'open';
CREATE INDEX commands_taken ON commands (taken_at) WHERE state = 'taken';
