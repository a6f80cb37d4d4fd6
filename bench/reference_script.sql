-- The program's own writes of one upgrade as one hand-tuned script for pgbench, one upgrade per
-- commit: config, node, host, ledger entry, command (and the older one superseded), event and
-- answer, then the proof of the books.
--
--   pgbench -n -M prepared -f bench/reference_script.sql -D clients=32 -D nodes=10000 -D step=0 ...
--
-- One round trip: a pipeline of two statements, which is a transaction by itself. All rows are
-- written by one statement, which was the fastest of the forms that were tried (single statements;
-- single statements in a pipeline). Updates are relative and return what they made, so no lock is
-- taken beforehand. Each client has nodes of its own, see reference_tables.sql.
\set own (:nodes - :client_id + :clients - 1) / :clients
\set node :client_id + :step % :own * :clients
\set to :step / :own % 2
\set step :step + 1
\startpipeline
WITH n AS MATERIALIZED (
  SELECT n.*, greatest(r.cpu_cores - s.cpu_cores, 0) AS hold_cpu_cores,
    greatest(r.memory_bytes - s.memory_bytes, 0) AS hold_memory_bytes,
    greatest(r.disk_bytes - s.disk_bytes, 0) AS hold_disk_bytes
  FROM bench.nodes o JOIN nodes n ON n.id = o.node_id
  JOIN configs r ON r.id = n.running_config_id CROSS JOIN bench.sample s
  WHERE o.position = :node AND s.step = :to
  FOR NO KEY UPDATE OF n
), s AS MATERIALIZED (
  SELECT *, bench.new_id() AS config_id, bench.new_id() AS command_id,
    bench.new_id()::text AS request_id, bench.now() AS now
  FROM bench.sample WHERE step = :to
), new_config AS (
  INSERT INTO configs (id, image_id, json, cpu_cores, memory_bytes, disk_bytes, created_at)
  SELECT config_id, image_id, json, cpu_cores, memory_bytes, disk_bytes, now FROM s
), h AS (
  UPDATE hosts SET node_cpu_cores = hosts.node_cpu_cores + s.cpu_cores - n.cpu_cores,
    node_memory_bytes = hosts.node_memory_bytes + s.memory_bytes - n.memory_bytes,
    node_disk_bytes = hosts.node_disk_bytes + s.disk_bytes - n.disk_bytes,
    held_cpu_cores = hosts.held_cpu_cores + n.hold_cpu_cores - n.held_cpu_cores,
    held_memory_bytes = hosts.held_memory_bytes + n.hold_memory_bytes - n.held_memory_bytes,
    held_disk_bytes = hosts.held_disk_bytes + n.hold_disk_bytes - n.held_disk_bytes,
    ledger_seq = hosts.ledger_seq + 1, version = hosts.version + 1, updated_at = s.now
  FROM n, s WHERE hosts.id = n.host_id
  RETURNING hosts.*
), new_node AS (
  UPDATE nodes SET image_id = s.image_id, config_id = s.config_id, protocol_id = s.protocol_id,
    protocol_version_id = s.protocol_version_id, semantic_version = s.semantic_version,
    next_state = 'upgrading', cpu_cores = s.cpu_cores, memory_bytes = s.memory_bytes,
    disk_bytes = s.disk_bytes, held_cpu_cores = n.hold_cpu_cores,
    held_memory_bytes = n.hold_memory_bytes, held_disk_bytes = n.hold_disk_bytes,
    version = n.version + 1, updated_at = s.now
  FROM n, s WHERE nodes.id = n.id
), new_entry AS (
  INSERT INTO ledger (host_id, seq, node_id, kind, delta_node_count, delta_cpu_cores,
    delta_memory_bytes, delta_disk_bytes, balance_node_count, balance_cpu_cores,
    balance_memory_bytes, balance_disk_bytes, request_id, actor_id, created_at)
  SELECT h.id, h.ledger_seq, n.id, 'upgrade', 0, s.cpu_cores - n.cpu_cores,
    s.memory_bytes - n.memory_bytes, s.disk_bytes - n.disk_bytes, h.node_count, h.node_cpu_cores,
    h.node_memory_bytes, h.node_disk_bytes, s.request_id, 'bench', s.now
  FROM h, n, s
), older AS (
  -- By a subquery and not by a join, which reads the whole index while it is thought to be empty.
  UPDATE commands SET state = 'superseded', ended_at = s.now FROM s
  WHERE node_id = (SELECT id FROM n) AND state = 'open' AND kind = 'node_upgrade'
  RETURNING 1
), new_command AS (
  -- The count makes this wait until the older command has made room.
  INSERT INTO commands (id, node_id, host_id, kind, state, seq, attempt, from_config_id,
    to_config_id, payload, created_at)
  SELECT s.command_id, n.id, n.host_id, 'node_upgrade', 'open', n.version + 1, 1, n.config_id,
    s.config_id, s.payload, s.now
  FROM n, s, (SELECT count(*) AS ended FROM older) o WHERE o.ended >= 0
), new_event AS (
  INSERT INTO events (kind, org_id, host_id, node_id, actor_id, request_id, detail, created_at)
  SELECT 'upgrade_started', n.org_id, n.host_id, n.id, 'bench', s.request_id, s.detail, s.now
  FROM n, s
)
INSERT INTO requests (org_id, actor_id, request_id, method, address, body_digest, response,
  created_at)
SELECT '00000000-0000-0000-0000-000000000000', 'bench', s.request_id, 'NodeService/UpgradeNodes',
  '', '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08', s.response, s.now
FROM s;
SELECT tallyman_prove_books(ARRAY[host_id]) FROM bench.nodes WHERE position = :node;
\endpipeline
