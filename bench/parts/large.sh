# shellcheck shell=bash
# What large fleets take: copies, lists, and requests about many nodes; read by run.sh.

large_prepare() {
  part_rounds=3
  large_nodes=200000
  [[ ! $quick ]] || large_nodes=20000
  large_fleet=$(fleet "fleet-$large_nodes" $((large_nodes / 50)) "$large_nodes")
  postgres_fleet large $((large_nodes / 50)) "$large_nodes"
}

# taken COMMAND...: how long it takes, in seconds, and the most memory that it has, in MB.
taken() {
  /usr/bin/time -f '%e %M' -o "$work/taken" "$@" >/dev/null
  awk '{ printf "%s %.0f\n", $1, $2 / 1000 }' "$work/taken"
}

# list_taken ROW ARGUMENT...: lists all nodes.
list_taken() {
  local seconds megabytes
  read -r seconds megabytes < <(taken "$program" node list -o json "${@:2}")
  record "$1" "$seconds" 5
  record "${1}_mb" "$megabytes" 100
}

large_round() {
  local program=${BENCH_BUILD:-build/release}/tallyman seconds rows
  dropdb --if-exists --force copied 2>/dev/null
  createdb copied
  read -r seconds _ < <(taken sh -c "$program db copy --from 'sqlite:$large_fleet' \
    --to '$(database_of copied)' -o json >'$work/copied' 2>/dev/null")
  rows=$(jq .rows "$work/copied")
  record copy_rows "$(jq -n "$rows / $seconds")" 50000

  list_taken list_db --db "sqlite:$large_fleet"
  rm -f "$work"/served.db* "$work/hold"
  cp "$large_fleet" "$work/served.db"
  mkfifo "$work/hold"
  exec 9<>"$work/hold"
  serve '127.0.0.1:[0-9]+' "$program" server --db "sqlite:$work/served.db" --listen 127.0.0.1:0
  list_taken list_server --server "http://$served" --token-file "$work/served.db.admin-token"
  end_server
  exec 9>&-

  record large_sqlite \
    "$(BENCH_FLEET=$large_fleet "$bin/large_bench" "$large_request" | jq .p99_ms)" 1000
  copy_database large work
  record large_postgres \
    "$(BENCH_WORK=$(database_of work) "$bin/large_bench" "$large_request" | jq .p99_ms)" 1000
}

# The most nodes that one request may change.
large_request=3000

large_document() {
  cat <<TEXT
## Large fleets

$(made_by "SQLite $(sqlite3 --version | cut -d' ' -f1), PostgreSQL $(psql --version | sed 's/.* \([0-9.]*\).*/\1/')")

$(table --arg nodes 0 --arg hosts 0)

- A fleet of $large_nodes nodes, 50 a host. A copy is the whole command: all rows, the foreign keys, the comparison of
  all rows and books, the commit.
- Lists are written to /dev/null; the memory is the most that the command has, without the server's.
- During the request of many nodes, 8 clients upgrade one node each, one after another, on the same hosts, in the same
  process (\`bench/large_bench\`); counted are the writes that are under way while it runs.
TEXT
}
