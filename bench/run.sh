#!/usr/bin/env bash
# Measures everything beside its reference, in rounds, so that what disturbs one disturbs the other;
# prints the tables and writes docs/benchmarks.md and its plot.
#
#   bench/run.sh [--quick] [--rounds N] [PART...]
#
#   PART         sqlite, network (through HTTP), apply (a declared fleet), agents, rollouts, postgres, profile
#                (where its time goes), clients (the plot), shape (the growth of the cost), large (fleets of
#                200,000 nodes); none: all.
#                The document keeps its other parts as they are
#   --quick      one round of less work, the document stays as it is
#   --rounds N   of each part, instead of 5 or 3
#   BENCH_BUILD  where the programs were built (build/release)
#   BENCH_CACHE  where prepared fleets on SQLite are kept (build/bench-cache)
#   BENCH_WRITERS  our transactions at once on PostgreSQL, combined (2)
#   TALLYMAN_DATA  images.csv, hosts.csv and tasks.csv of the cluster trace (../shared/data)
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
usage() { sed -n '2,15s/^# \{0,1\}//p' bench/run.sh >&2 && exit 2; }

known=(sqlite network apply agents rollouts postgres profile clients shape large)
command="bench/run.sh${*:+ $*}"
parts=()
quick=
rounds_wanted=
while (($#)); do
  case $1 in
    --quick) quick=1 ;;
    --rounds) rounds_wanted=${2:?} && shift ;;
    *)
      [[ " ${known[*]} " == *" $1 "* ]] || usage
      parts+=("$1")
      ;;
  esac
  shift
done
((${#parts[@]})) || parts=("${known[@]}")

bin=${BENCH_BUILD:-build/release}/bench
[[ -x $bin/upgrade_bench ]] || { say "bench: build the programs first: make bench"; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/tallyman-bench-XXXXXX")
trap 'stop_cluster; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
# shellcheck source=bench/measure.sh
. bench/measure.sh
# shellcheck source=bench/cluster.sh
. bench/cluster.sh
# shellcheck source=bench/document.sh
. bench/document.sh
# shellcheck source=bench/parts/sqlite.sh
. bench/parts/sqlite.sh
# shellcheck source=bench/parts/network.sh
. bench/parts/network.sh
# shellcheck source=bench/parts/apply.sh
. bench/parts/apply.sh
# shellcheck source=bench/parts/agents.sh
. bench/parts/agents.sh
# shellcheck source=bench/parts/rollouts.sh
. bench/parts/rollouts.sh
# shellcheck source=bench/parts/postgres.sh
. bench/parts/postgres.sh
# shellcheck source=bench/parts/profile.sh
. bench/parts/profile.sh
# shellcheck source=bench/parts/clients.sh
. bench/parts/clients.sh
# shellcheck source=bench/parts/shape.sh
. bench/parts/shape.sh
# shellcheck source=bench/parts/large.sh
. bench/parts/large.sh

for part in "${parts[@]}"; do
  records=$work/$part.records
  load=$(cut -d' ' -f1 /proc/loadavg)
  rounds=${rounds_wanted:-${quick:+1}}
  "${part}_prepare"
  rounds=${rounds:-$part_rounds}
  for ((round = 1; round <= rounds; ++round)); do
    say "$part: round $round of $rounds ($((SECONDS / 60)) min $((SECONDS % 60)) s)"
    "${part}_round"
  done
  "${part}_document" >"$work/$part.md"
  cat "$work/$part.md"
done
if [[ ! $quick ]]; then
  write_document
  say "written: docs/benchmarks.md ($((SECONDS / 60)) min $((SECONDS % 60)) s in all)"
fi
