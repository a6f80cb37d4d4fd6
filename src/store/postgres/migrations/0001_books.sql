-- Ids are UUIDs, times bigint microseconds since 1970, amounts whole cores and bytes, and enums the
-- words of the API. What these CHECKs cannot say cheaply (the words, the form of JSON) is checked
-- where it is read; JSON stands as text, because a hand that mends it must be able to write anything.
--
-- Text is compared byte by byte, whatever the database's own collation is.
--
-- Rows that upgrades update leave room in their pages and have no index on what upgrades change, so
-- that the new version of a row stays in its page and no index hears of it.

CREATE TABLE orgs (
  id uuid PRIMARY KEY,
  name text COLLATE "C" NOT NULL CONSTRAINT orgs_name UNIQUE,
  created_at bigint NOT NULL
);

CREATE TABLE regions (
  id uuid PRIMARY KEY,
  name text COLLATE "C" NOT NULL CONSTRAINT regions_name UNIQUE,
  created_at bigint NOT NULL
);

CREATE TABLE protocols (
  id uuid PRIMARY KEY,
  key text COLLATE "C" NOT NULL CONSTRAINT protocols_name UNIQUE,
  name text COLLATE "C" NOT NULL,
  org_id uuid REFERENCES orgs (id),
  created_at bigint NOT NULL
);

CREATE TABLE protocol_versions (
  id uuid PRIMARY KEY,
  protocol_id uuid NOT NULL REFERENCES protocols (id),
  variant text COLLATE "C" NOT NULL,
  semantic_version text COLLATE "C" NOT NULL,
  org_id uuid REFERENCES orgs (id),
  created_at bigint NOT NULL,
  CONSTRAINT versions_name UNIQUE (protocol_id, variant, semantic_version),
  UNIQUE (id, protocol_id)
);

CREATE TABLE images (
  id uuid PRIMARY KEY,
  protocol_version_id uuid NOT NULL REFERENCES protocol_versions (id),
  build bigint NOT NULL CHECK (build >= 1),
  org_id uuid REFERENCES orgs (id),
  uri text COLLATE "C" NOT NULL,
  cpu_cores bigint NOT NULL CHECK (cpu_cores >= 0),
  memory_bytes bigint NOT NULL CHECK (memory_bytes >= 0),
  disk_bytes bigint NOT NULL CHECK (disk_bytes >= 0),
  firewall_rules text COLLATE "C" NOT NULL,
  committed_at bigint NOT NULL,
  created_at bigint NOT NULL,
  CONSTRAINT images_build UNIQUE (protocol_version_id, build)
);

CREATE TABLE image_properties (
  image_id uuid NOT NULL REFERENCES images (id),
  key text COLLATE "C" NOT NULL,
  description text COLLATE "C" NOT NULL,
  default_value text COLLATE "C" NOT NULL,
  add_cpu_cores bigint NOT NULL CHECK (add_cpu_cores >= 0),
  add_memory_bytes bigint NOT NULL CHECK (add_memory_bytes >= 0),
  add_disk_bytes bigint NOT NULL CHECK (add_disk_bytes >= 0),
  PRIMARY KEY (image_id, key)
);

CREATE TABLE hosts (
  id uuid PRIMARY KEY,
  name text COLLATE "C" NOT NULL CONSTRAINT hosts_name UNIQUE,
  region_id uuid NOT NULL REFERENCES regions (id),
  cpu_cores bigint NOT NULL CHECK (cpu_cores >= 0),
  memory_bytes bigint NOT NULL CHECK (memory_bytes >= 0),
  disk_bytes bigint NOT NULL CHECK (disk_bytes >= 0),
  capacity_policy text COLLATE "C",
  node_count bigint NOT NULL CHECK (node_count >= 0),
  node_cpu_cores bigint NOT NULL CHECK (node_cpu_cores >= 0),
  node_memory_bytes bigint NOT NULL CHECK (node_memory_bytes >= 0),
  node_disk_bytes bigint NOT NULL CHECK (node_disk_bytes >= 0),
  held_cpu_cores bigint NOT NULL CHECK (held_cpu_cores >= 0),
  held_memory_bytes bigint NOT NULL CHECK (held_memory_bytes >= 0),
  held_disk_bytes bigint NOT NULL CHECK (held_disk_bytes >= 0),
  ledger_seq bigint NOT NULL CHECK (ledger_seq >= 0),
  version bigint NOT NULL CHECK (version >= 1),
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  free_cpu_cores bigint NOT NULL
    GENERATED ALWAYS AS (cpu_cores - node_cpu_cores - held_cpu_cores) STORED,
  free_memory_bytes bigint NOT NULL
    GENERATED ALWAYS AS (memory_bytes - node_memory_bytes - held_memory_bytes) STORED,
  free_disk_bytes bigint NOT NULL
    GENERATED ALWAYS AS (disk_bytes - node_disk_bytes - held_disk_bytes) STORED
) WITH (fillfactor = 50);

-- The two orders of placement.
CREATE INDEX hosts_spread ON hosts (region_id, node_count, free_cpu_cores DESC, id);
CREATE INDEX hosts_pack ON hosts (region_id, free_cpu_cores, free_memory_bytes, id);

CREATE TABLE configs (
  id uuid PRIMARY KEY,
  image_id uuid NOT NULL REFERENCES images (id),
  json text COLLATE "C" NOT NULL,
  cpu_cores bigint NOT NULL CHECK (cpu_cores >= 0),
  memory_bytes bigint NOT NULL CHECK (memory_bytes >= 0),
  disk_bytes bigint NOT NULL CHECK (disk_bytes >= 0),
  created_at bigint NOT NULL,
  -- What a node copies from its config; the foreign key of nodes points here.
  CONSTRAINT configs_fields UNIQUE (id, image_id, cpu_cores, memory_bytes, disk_bytes)
);

CREATE TABLE nodes (
  id uuid PRIMARY KEY,
  name text COLLATE "C" NOT NULL,
  org_id uuid NOT NULL REFERENCES orgs (id),
  host_id uuid NOT NULL REFERENCES hosts (id),
  image_id uuid NOT NULL,
  config_id uuid NOT NULL,
  protocol_id uuid NOT NULL,
  protocol_version_id uuid NOT NULL,
  semantic_version text COLLATE "C" NOT NULL,
  auto_upgrade boolean NOT NULL,
  node_state text COLLATE "C" NOT NULL,
  next_state text COLLATE "C",
  cpu_cores bigint NOT NULL CHECK (cpu_cores >= 0),
  memory_bytes bigint NOT NULL CHECK (memory_bytes >= 0),
  disk_bytes bigint NOT NULL CHECK (disk_bytes >= 0),
  held_cpu_cores bigint NOT NULL CHECK (held_cpu_cores >= 0),
  held_memory_bytes bigint NOT NULL CHECK (held_memory_bytes >= 0),
  held_disk_bytes bigint NOT NULL CHECK (held_disk_bytes >= 0),
  running_config_id uuid REFERENCES configs (id),
  handed_out boolean NOT NULL,
  version bigint NOT NULL CHECK (version >= 1),
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  released_at bigint,
  deleted_at bigint,
  -- Half of what keeps the books true: a node is charged what its config says. The image is real
  -- because the config's is.
  CONSTRAINT nodes_fields FOREIGN KEY (config_id, image_id, cpu_cores, memory_bytes, disk_bytes)
    REFERENCES configs (id, image_id, cpu_cores, memory_bytes, disk_bytes),
  -- The version is one of the protocol.
  FOREIGN KEY (protocol_version_id, protocol_id) REFERENCES protocol_versions (id, protocol_id)
) WITH (fillfactor = 60);

CREATE UNIQUE INDEX nodes_name ON nodes (name) WHERE deleted_at IS NULL;
-- Deleted nodes are found by name as well: their events and ledger entries stay.
CREATE INDEX nodes_any_name ON nodes (name);
CREATE INDEX nodes_org ON nodes (org_id) WHERE released_at IS NULL AND deleted_at IS NULL;
-- The sums of a host. They read the rows: an index that covered the amounts would have to be
-- written by every upgrade, and rows that change are not read from an index alone anyway.
CREATE INDEX nodes_live ON nodes (host_id) WHERE deleted_at IS NULL;

CREATE TABLE commands (
  id uuid PRIMARY KEY,
  node_id uuid NOT NULL REFERENCES nodes (id),
  host_id uuid NOT NULL REFERENCES hosts (id),
  kind text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL,
  seq bigint NOT NULL CHECK (seq >= 1),
  attempt bigint NOT NULL CHECK (attempt >= 1),
  from_config_id uuid REFERENCES configs (id),
  to_config_id uuid REFERENCES configs (id),
  payload text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  ended_at bigint
);

-- One upgrade of a node that no host has taken.
CREATE UNIQUE INDEX commands_open_upgrade ON commands (node_id)
  WHERE state = 'open' AND kind = 'node_upgrade';
-- What still counts for a node's hold.
CREATE INDEX commands_pending ON commands (node_id, seq)
  WHERE state IN ('open', 'taken', 'unknown', 'failed');
-- The others of a node; among them what ends the effect of a failed transition before it.
CREATE INDEX commands_ended ON commands (node_id, seq)
  WHERE state IN ('settled', 'reverted', 'superseded', 'cancelled');

-- Entries of a node are found through its host, which never changes.
CREATE TABLE ledger (
  host_id uuid NOT NULL REFERENCES hosts (id),
  seq bigint NOT NULL CHECK (seq >= 1),
  node_id uuid REFERENCES nodes (id),
  kind text COLLATE "C" NOT NULL,
  delta_node_count bigint NOT NULL,
  delta_cpu_cores bigint NOT NULL,
  delta_memory_bytes bigint NOT NULL,
  delta_disk_bytes bigint NOT NULL,
  balance_node_count bigint NOT NULL CHECK (balance_node_count >= 0),
  balance_cpu_cores bigint NOT NULL CHECK (balance_cpu_cores >= 0),
  balance_memory_bytes bigint NOT NULL CHECK (balance_memory_bytes >= 0),
  balance_disk_bytes bigint NOT NULL CHECK (balance_disk_bytes >= 0),
  corrections text COLLATE "C",
  request_id text COLLATE "C" NOT NULL,
  actor_id text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL,
  PRIMARY KEY (host_id, seq)
);

CREATE TABLE events (
  cursor bigint GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME events_cursor) PRIMARY KEY,
  kind text COLLATE "C" NOT NULL,
  org_id uuid REFERENCES orgs (id),
  host_id uuid REFERENCES hosts (id),
  node_id uuid REFERENCES nodes (id),
  actor_id text COLLATE "C" NOT NULL,
  request_id text COLLATE "C" NOT NULL,
  detail text COLLATE "C" NOT NULL,
  created_at bigint NOT NULL
);

CREATE INDEX events_node ON events (node_id, cursor) WHERE node_id IS NOT NULL;

-- The nil org stands for an actor of all orgs, so org_id is no foreign key.
CREATE TABLE requests (
  org_id uuid NOT NULL,
  actor_id text COLLATE "C" NOT NULL,
  request_id text COLLATE "C" NOT NULL,
  method text COLLATE "C" NOT NULL,
  address text COLLATE "C" NOT NULL,
  body_digest text COLLATE "C" NOT NULL,
  response bytea NOT NULL,
  created_at bigint NOT NULL,
  PRIMARY KEY (org_id, actor_id, request_id)
);

-- Cursors are not given in the order of commits: a transaction may take 7 and commit after another
-- one took 8 and committed. A reader that goes on behind 8 would never see 7. So whoever is about to
-- write events first marks, until its end, the newest cursor that had been given before: all of its
-- own will be larger. The mark is a shared advisory lock whose key has 31249 in its upper 16 bits
-- and the cursor in the lower 48; nobody ever waits for it.
CREATE FUNCTION tallyman_mark_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(
    (31249::bigint << 48) | CASE WHEN is_called THEN last_value ELSE 0 END) FROM events_cursor;
  RETURN NULL;
END
$$;

CREATE TRIGGER events_mark BEFORE INSERT ON events
  FOR EACH STATEMENT EXECUTE FUNCTION tallyman_mark_events();

-- No event that is committed later than now will have this cursor or a smaller one. For that the
-- newest cursor has to be read first, then the marks, then (by the caller) the events: a writer
-- whose mark is gone by then has committed.
CREATE FUNCTION tallyman_event_horizon() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  newest bigint;
  oldest_mark bigint;
BEGIN
  SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO newest FROM events_cursor;
  SELECT min(((l.classid::bigint & 65535) << 32) | l.objid::bigint) INTO oldest_mark
    FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.classid::bigint >> 16 = 31249
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database());
  RETURN least(newest, oldest_mark);
END
$$;

-- Raises unless every row that an update meant was updated.
CREATE FUNCTION tallyman_require(reason text, wanted uuid[], done uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF cardinality(wanted) <> coalesce(cardinality(done), 0) THEN
    RAISE EXCEPTION 'an update missed a row' USING
      ERRCODE = 'TM002',
      DETAIL = json_build_object('reason', reason, 'id',
        (SELECT w FROM unnest(wanted) w WHERE w <> ALL (coalesce(done, '{}')) LIMIT 1));
  END IF;
END
$$;

-- The other half of what keeps the books true: raises unless the counters and holds of these hosts
-- are the sums over their live nodes.
CREATE FUNCTION tallyman_prove_books(wanted uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  wrong bigint;
  first uuid;
  found json;
BEGIN
  SELECT count(*), (array_agg(w.id ORDER BY w.id))[1] INTO wrong, first
    FROM unnest(wanted) AS w (id) LEFT JOIN hosts h ON h.id = w.id
    LEFT JOIN LATERAL (
      SELECT count(*) AS node_count, coalesce(sum(n.cpu_cores), 0) AS cpu_cores,
        coalesce(sum(n.memory_bytes), 0) AS memory_bytes,
        coalesce(sum(n.disk_bytes), 0) AS disk_bytes,
        coalesce(sum(n.held_cpu_cores), 0) AS held_cpu_cores,
        coalesce(sum(n.held_memory_bytes), 0) AS held_memory_bytes,
        coalesce(sum(n.held_disk_bytes), 0) AS held_disk_bytes
      FROM nodes n WHERE n.host_id = w.id AND n.released_at IS NULL AND n.deleted_at IS NULL
    ) s ON true
    WHERE (h.node_count, h.node_cpu_cores, h.node_memory_bytes, h.node_disk_bytes,
        h.held_cpu_cores, h.held_memory_bytes, h.held_disk_bytes)
      IS DISTINCT FROM (s.node_count, s.cpu_cores, s.memory_bytes, s.disk_bytes,
        s.held_cpu_cores, s.held_memory_bytes, s.held_disk_bytes);
  IF wrong = 0 THEN
    RETURN;
  END IF;
  SELECT json_build_object('hosts', wrong, 'host_id', first, 'host', min(h.name), 'why',
      (SELECT format('%s is %s but its nodes add up to %s', d.word, d.stored, d.sum)
        FROM (VALUES
          (1, 'node_count', min(h.node_count), count(n.id)::numeric),
          (2, 'node_cpu_cores', min(h.node_cpu_cores), coalesce(sum(n.cpu_cores), 0)),
          (3, 'node_memory_bytes', min(h.node_memory_bytes), coalesce(sum(n.memory_bytes), 0)),
          (4, 'node_disk_bytes', min(h.node_disk_bytes), coalesce(sum(n.disk_bytes), 0)),
          (5, 'held_cpu_cores', min(h.held_cpu_cores), coalesce(sum(n.held_cpu_cores), 0)),
          (6, 'held_memory_bytes', min(h.held_memory_bytes), coalesce(sum(n.held_memory_bytes), 0)),
          (7, 'held_disk_bytes', min(h.held_disk_bytes), coalesce(sum(n.held_disk_bytes), 0))
        ) AS d (place, word, stored, sum) WHERE d.stored <> d.sum ORDER BY d.place LIMIT 1))
    INTO found
    FROM hosts h LEFT JOIN nodes n
      ON n.host_id = h.id AND n.released_at IS NULL AND n.deleted_at IS NULL
    WHERE h.id = first;
  RAISE EXCEPTION 'the books do not balance' USING ERRCODE = 'TM001', DETAIL = found;
END
$$;
