# shellcheck shell=bash
# PostgreSQL beside the flow of 22 statements and a hand-tuned script for pgbench; read by run.sh.

# postgres_fleet NAME HOSTS NODES [varied]: a database of the cluster, made once in this run.
postgres_fleet() {
  start_cluster
  [[ ! -f $work/made-$1 ]] || return 0
  createdb "$1"
  "$bin/make_fleet" "$(database_of "$1")" "${@:2}" >&2
  run_sql "$1" -c 'VACUUM ANALYZE'
  touch "$work/made-$1"
}

# Texts as the program writes them, for the rows of the references: from a fleet of one node that
# went to the large image and back.
take_texts() {
  [[ ! -f $work/texts ]] || return 0
  postgres_fleet texts 1 1
  BENCH_FLEET='' BENCH_WORK=$(database_of texts) BENCH_UPGRADES=20 \
    measure upgrade_bench '^one_client' >/dev/null
  run_sql texts -c "COPY (
    SELECT DISTINCT ON (v.semantic_version) v.semantic_version, c.json, m.payload, e.detail,
      q.response
    FROM commands m JOIN configs c ON c.id = m.to_config_id JOIN images i ON i.id = c.image_id
    JOIN protocol_versions v ON v.id = i.protocol_version_id
    JOIN events e ON e.node_id = m.node_id AND e.created_at = m.created_at
    JOIN requests q USING (request_id)
    WHERE m.kind = 'node_upgrade' AND e.kind = 'upgrade_started') TO STDOUT" >"$work/texts"
}

# reference_fleet NAME HOSTS NODES: the same, with what the references need.
reference_fleet() {
  [[ ! -f $work/made-$1 ]] || return 0
  take_texts
  postgres_fleet "$@"
  run_sql "$1" -c 'CREATE SCHEMA bench' -c 'CREATE TABLE bench.texts
    (semantic_version text, json text, payload text, detail text, response bytea)'
  run_sql "$1" -c '\copy bench.texts FROM STDIN' <"$work/texts"
  run_sql "$1" -f bench/reference_tables.sql
}

# Each of these works on a fresh copy of the fleet and ends with an audit; the last three print
# upgrades a second.
postgres_ours() { # FLEET BENCHMARK [CLIENTS]
  copy_database "$1" work
  BENCH_FLEET='' BENCH_WORK=$(database_of work) BENCH_CLIENTS=${3:-1} measure upgrade_bench "$2"
}

postgres_clients() { # FLEET CLIENTS combined|single
  postgres_ours "$1" "^clients/$3" "$2" | rate
}

postgres_flow() { # FLEET CLIENTS
  copy_database "$1" work
  "$bin/reference_flow" "$(database_of work)" "$2" "$BENCH_SECONDS" | rate
  must_balance "$(database_of work)"
}

postgres_script() { # FLEET CLIENTS
  local nodes
  copy_database "$1" work
  nodes=$(run_sql work -At -c 'SELECT count(*) FROM bench.nodes')
  # Plans are made once, as the program has it.
  PGOPTIONS='-c plan_cache_mode=force_generic_plan -c jit=off' \
    pgbench -n -M prepared -f bench/reference_script.sql -D clients="$2" -D nodes="$nodes" \
    -D step=0 -c "$2" -j "$(($2 < 2 ? $2 : 2))" -T "${BENCH_SECONDS%.*}" work >"$work/pgbench" \
    2>"$work/stderr" || { cat "$work/stderr" >&2 && exit 1; }
  sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$work/pgbench"
  must_balance "$(database_of work)"
}

postgres_prepare() {
  part_rounds=5
  reference_fleet fleet_200 200 10000
  reference_fleet fleet_hot 1 50
}

postgres_round() {
  local result ours single flow script
  result=$(postgres_ours fleet_200 '^clients/combined' 32)
  ours=$(rate <<<"$result")
  record pg_per_commit "$(jq '.benchmarks[0].per_commit' <<<"$result")" 1
  flow=$(postgres_flow fleet_200 32)
  script=$(postgres_script fleet_200 32)
  single=$(postgres_clients fleet_200 32 single)
  record pg_flow "$ours" "$flow"
  record pg_script "$ours" "$script"
  record pg_combining "$ours" "$single"
  record pg_single_flow "$single" "$flow"
  record pg_single_script "$single" "$script"

  ours=$(postgres_clients fleet_hot 32 combined)
  flow=$(postgres_flow fleet_hot 32)
  script=$(postgres_script fleet_hot 32)
  record pg_hot_flow "$ours" "$flow"
  record pg_hot_script "$ours" "$script"
  single=$(postgres_clients fleet_hot 32 single)
  record pg_hot_combining "$ours" "$single"

  ours=$(postgres_ours fleet_200 '^one_request' | rate)
  single=$(postgres_clients fleet_200 1 combined)
  record pg_one_request "$ours" "$single"
}

postgres_document() {
  local version made figures
  version=$(run_sql postgres -At -c "SELECT 'PostgreSQL ' || current_setting('server_version')")
  made=$(made_by "$version")
  figures=$(table --arg nodes 0 --arg hosts 0)
  cat <<TEXT
## PostgreSQL

$made

$figures

- Fleet: 10,000 nodes, 50 a host. Each run lasts $BENCH_SECONDS s on a fresh copy (\`CREATE DATABASE ... TEMPLATE\`,
  then a checkpoint). One cluster for all, fsync on, reached through a Unix socket; settings that
  differ from PostgreSQL's defaults: \`${cluster_settings[*]}\`.
- A client is a thread, or a connection, that waits for its own upgrade before it sends the next. Ours go
  through the API's dispatcher in one process.
- The 22 single statements (\`bench/reference_flow.c\`) are the flow of a known control plane on the same
  tables: one prepared statement per round trip, one transaction per upgrade, node and host locked when
  they are read. It writes no answer for a replay and does not prove the books.
- The script (\`bench/reference_script.sql\`) writes everything that we write, and proves the books, in one round trip,
  one upgrade per commit, with rows of the same length.
TEXT
}
