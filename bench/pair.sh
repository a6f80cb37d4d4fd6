#!/usr/bin/env bash
# Measures two builds in turn, so that what disturbs one disturbs the other, and prints how they compare:
# rates, and the processor time of the program itself, which other work on the machine disturbs less.
#
#   bench/pair.sh [--quick] [--rounds N] BEFORE [NOW]
#
#   BEFORE, NOW  directories of release builds with their benchmarks, such as ../before/build/release; NOW
#                is build/release unless it is given. Each build makes its own fleets
#   --quick      less work in each run
#   --rounds N   instead of 7
set -euo pipefail
shopt -s inherit_errexit

say() { printf '%s\n' "$*" >&2; }
quick=
rounds=7
builds=()
while (($#)); do
  case $1 in
    --quick) quick=1 ;;
    --rounds) rounds=${2:?} && shift ;;
    -*) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    *) builds+=("$(realpath "$1")") ;;
  esac
  shift
done
cd "$(dirname "$0")/.."
((${#builds[@]} == 1)) && builds+=("$PWD/build/release")
((${#builds[@]} == 2)) || { sed -n '2,12s/^# \{0,1\}//p' bench/pair.sh >&2 && exit 2; }
# shellcheck source=bench/builds.sh
. bench/builds.sh

# note ROW FIGURE, for the build in turn.
note() { printf '{"row": "%s", "build": %s, "round": %s, "figure": %s}\n' "$1" "$turn" "$round" "$2" >>"$records"; }

note_upgrades() { # NAME, benchmarks as JSON
  note "$1, upgrades/s" "$(rate <<<"$2")"
  note "$1, CPU us an upgrade" "$(jq '.benchmarks[0].cpu_us' <<<"$2")"
}

sqlite_turn() {
  BENCH_FLEET=$(fleet fleet-200 200 10000)
  export BENCH_FLEET
  note_upgrades 'SQLite, 64 callers' "$(measure upgrade_bench '^callers/combined')"
  note_upgrades 'SQLite, without threads' "$(measure upgrade_bench '^callbacks/combined')"
  note 'SQLite, one request of 10,000 nodes, nodes/s' "$(measure upgrade_bench '^one_request' | rate)"
  export BENCH_FEW=$BENCH_FLEET BENCH_MANY=$BENCH_FLEET
  note 'SQLite, placing a node, us' "$(time_of "$(measure placement_bench .)" create/spread/many)"
}

network_turn() {
  network_fleet=$(fleet fleet-200 200 10000)
  network_calls
  note 'HTTP, upgrades/s' "$(jq .rate <<<"$upgrades")"
  note 'HTTP, CPU us an upgrade' "$(jq .cpu_us <<<"$upgrades")"
  note 'HTTP, GetNode, calls/s' "$(jq .rate <<<"$reads")"
  note 'HTTP, GetNode, CPU us a call' "$(jq .cpu_us <<<"$reads")"
}

postgres_turn() {
  postgres_fleet "fleet_$turn" 200 10000
  note_upgrades 'PostgreSQL, 32 clients' "$(postgres_ours "fleet_$turn" '^clients/combined' 32)"
  note 'PostgreSQL, one request of 10,000 nodes, nodes/s' \
    "$(postgres_ours "fleet_$turn" '^one_request' | rate)"
}

records=$work/records
network_seconds=${quick:+3}
network_seconds=${network_seconds:-8}
for ((round = 1; round <= rounds; ++round)); do
  say "bench: round $round of $rounds ($((SECONDS / 60)) min $((SECONDS % 60)) s)"
  for part in sqlite network postgres; do
    # Who comes first changes from round to round.
    for which in $((round % 2)) $((1 - round % 2)); do
      choose "$which"
      "${part}_turn"
    done
  done
done

printf '| what | before | now | now / before, median (least to greatest) of %s rounds |\n|---|---|---|---|\n' "$rounds"
jq -rs -f bench/pair.jq "$records"
