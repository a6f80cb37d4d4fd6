#!/usr/bin/env bash
# Counts the instructions of two builds with valgrind, and prints how they compare. What else the machine
# does changes rates and times, but hardly these counts, so they show a difference of a percent.
#
#   bench/instructions.sh BEFORE [NOW]
#
#   BEFORE, NOW  directories of release builds with their benchmarks, such as ../before/build/release; NOW
#                is build/release unless it is given. Each build makes its own fleets
set -euo pipefail
shopt -s inherit_errexit

say() { printf '%s\n' "$*" >&2; }
if (($# < 1 || $# > 2)) || [[ $1 == -* ]]; then
  sed -n '2,9s/^# \{0,1\}//p' "$0" >&2 && exit 2
fi
builds=("$(realpath "$1")" "$(realpath "${2:-$(dirname "$0")/../build/release}")")
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { say 'bench: valgrind is missing: apt-get install valgrind'; exit 1; }
quick=1
# shellcheck source=bench/builds.sh
. bench/builds.sh

counted=(valgrind --tool=callgrind --callgrind-out-file=/dev/null)
collected() { awk '/Collected :/ { sum += $4 } END { print sum }' "$1"; }

# What starts and ends a program falls out of the difference of a long run and a short one. Each function
# prints the calls and the instructions of a run of that length.
upgrades() { # BENCHMARK UPGRADES
  "${counted[@]}" "$bin/upgrade_bench" --benchmark_filter="$1" --benchmark_format=json \
    >"$work/counted.json" 2>"$work/counted.log" || { cat "$work/counted.log" >&2 && exit 1; }
  printf '%s %s\n' "$2" "$(collected "$work/counted.log")"
}
on_sqlite() { # LENGTH
  BENCH_FLEET=$(fleet fleet-200 200 10000)
  export BENCH_FLEET
  BENCH_UPGRADES=$(($1 * 1000)) upgrades '^callbacks/combined' "$(($1 * 1000))"
}
on_postgres() { # LENGTH
  postgres_fleet "fleet_$turn" 200 10000
  copy_database "fleet_$turn" work
  # One client makes a tenth of them.
  BENCH_FLEET='' BENCH_WORK=$(database_of work) BENCH_UPGRADES=$(($1 * 5000)) upgrades '^one_client' "$(($1 * 500))"
}
through_http() { # LENGTH METHOD
  local printed network_fleet
  export BENCH_NODES=$work/nodes BENCH_TOKEN
  network_fleet=$(fleet fleet-200 200 10000)
  network_database
  serve '127.0.0.1:[1-9][0-9]*' "${counted[@]}" "$BENCH_BUILD/tallyman" server --db "sqlite:$work/net.db" \
    --listen 127.0.0.1:0
  BENCH_TOKEN=$(<"$work/net.db.admin-token")
  printed=$(BENCH_METHOD=$2 BENCH_THREADS=1 wrk -t 1 -c 16 -d "$(($1 * 4))s" --timeout 30s \
    -s bench/calls.lua "http://$served" | tail -n 1)
  end_server
  exec 9>&-
  printf '%s %s\n' "$(jq .calls <<<"$printed")" "$(collected "$work/serve.log")"
}

# row NAME FUNCTION [ARGUMENT]
row() {
  local short long which figures=()
  for which in 0 1; do
    choose "$which"
    short=$("$2" 1 "${@:3}")
    long=$("$2" 4 "${@:3}")
    figures+=("$(awk '{ calls = $1 - calls; count = $2 - count } END { printf "%.0f", count / calls }' \
      <<<"$short"$'\n'"$long")")
  done
  printf '| %s | %s | %s | %s |\n' "$1" "${figures[@]}" \
    "$(awk '{ printf "%.3f", $2 / $1 }' <<<"${figures[*]}")"
}

start_cluster
printf '| instructions of | before | now | now / before |\n|---|---|---|---|\n'
row 'an upgrade on SQLite, in process' on_sqlite
row 'an upgrade on PostgreSQL, of the program' on_postgres
row 'an upgrade through HTTP, of the server' through_http UpgradeNodes
row 'GetNode through HTTP, of the server' through_http GetNode
