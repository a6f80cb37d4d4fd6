-- What the references on PostgreSQL need beside the program's own tables, in a schema of its own.
-- bench.texts has been filled from a fleet that the program upgraded, one row for each image, so
-- that the rows which the references write are as long as the program's. Run once for each fleet,
-- before it is copied.

-- Nodes in a random order that is the same for all copies.
CREATE TABLE bench.nodes AS
  SELECT (row_number() OVER (ORDER BY md5(id::text)) - 1)::int AS position, id AS node_id, host_id
  FROM nodes WHERE deleted_at IS NULL;
ALTER TABLE bench.nodes ADD PRIMARY KEY (position);

-- The two images between which nodes go to and fro. Nodes begin with 1.0.0.
CREATE TABLE bench.sample AS
  SELECT CASE v.semantic_version WHEN '2.0.0' THEN 0 ELSE 1 END AS step, i.id AS image_id,
    v.protocol_id, v.id AS protocol_version_id, v.semantic_version, i.cpu_cores, i.memory_bytes,
    i.disk_bytes, t.json, t.payload, t.detail, t.response
  FROM bench.texts t JOIN protocol_versions v USING (semantic_version)
  JOIN images i ON i.protocol_version_id = v.id;
ALTER TABLE bench.sample ADD PRIMARY KEY (step);

-- Microseconds since 1970, and a UUID of version 7.
CREATE FUNCTION bench.now() RETURNS bigint LANGUAGE sql VOLATILE AS
  $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$;
CREATE FUNCTION bench.new_id() RETURNS uuid LANGUAGE sql VOLATILE AS
  $$ SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7' ||
       substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid $$;

VACUUM ANALYZE;
