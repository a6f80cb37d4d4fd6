# shellcheck shell=bash
# How the cost grows with the fleet, on both backends; read by run.sh. It works with the functions of
# parts/postgres.sh.

shape_prepare() {
  part_rounds=3
  shape_sizes=(1000 100000 1000000)
  shape_hosts=100000
  if [[ $quick ]]; then
    shape_sizes=(1000 20000)
    shape_hosts=5000
  fi
  local size from
  for size in "${shape_sizes[@]}"; do
    postgres_fleet "shape_$size" "$((size / 50))" "$size"
    # Some thousand upgrades do not change the shape of a fleet: one copy is enough.
    from=$(fleet "shape-$size" "$((size / 50))" "$size")
    cp "$from" "$work/shape-$size.db"
  done
  postgres_fleet shape_many 200 10000
  postgres_fleet shape_hot 1 50
  postgres_fleet hosts_1000 1000 3000 varied
  postgres_fleet "hosts_$shape_hosts" "$shape_hosts" "$((3 * shape_hosts))" varied
  sync "$work"/shape-*.db
}

# shape ROW BACKEND VALUE
shape() { printf '{"row": "%s", "backend": "%s", "value": %s}\n' "$@" >>"$records"; }

# shape_upgrades ROW BACKEND DATABASE: 32 clients; the database is worked on as it is.
shape_upgrades() {
  local value
  value=$(BENCH_FLEET='' BENCH_WORK=$3 BENCH_CLIENTS=32 \
    measure upgrade_bench '^clients/combined' | rate)
  shape "$1" "$2" "$value"
}

shape_placement() { # BACKEND FEW MANY
  local result what
  result=$(BENCH_FEW=$2 BENCH_MANY=$3 measure placement_bench .)
  for what in plan/spread plan/pack create/spread create/pack; do
    shape "$what/few" "$1" "$(time_of "$result" "$what/few")"
    shape "$what/many" "$1" "$(time_of "$result" "$what/many")"
  done
}

shape_on_hosts() { # NAME HOSTS NODES
  local from
  from=$(fleet "fleet-$2" "$2" "$3")
  cp "$from" "$work/shape.db"
  shape_upgrades "$1" sqlite "$work/shape.db"
  copy_database "shape_$1" work
  shape_upgrades "$1" postgres "$(database_of work)"
}

shape_round() {
  local size few many
  local -x BENCH_PLACEMENTS=500
  for size in "${shape_sizes[@]}"; do
    shape_upgrades "nodes_$size" sqlite "$work/shape-$size.db"
    shape_upgrades "nodes_$size" postgres "$(database_of "shape_$size")"
  done
  shape_on_hosts many 200 10000
  shape_on_hosts hot 1 50
  few=$(fleet hosts-1000 1000 3000 varied)
  many=$(fleet "hosts-$shape_hosts" "$shape_hosts" "$((3 * shape_hosts))" varied)
  shape_placement sqlite "$few" "$many"
  shape_placement postgres "$(database_of hosts_1000)" "$(database_of "hosts_$shape_hosts")"
}

shape_document() {
  local made figures
  made=$(made_by "PostgreSQL and SQLite as above")
  figures=$(jq -rsn --arg many "$shape_hosts" -f bench/shape.jq "$records")
  cat <<TEXT
## Shape of the cost

$made

$figures

- Upgrades: one node each, 32 clients, combined, durable, 50 nodes a host. Placements: one request with
  the answer, as a dry run or with the durable commit, on hosts of three sizes with 0 to 6 nodes.
TEXT
}
