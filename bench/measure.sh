# shellcheck shell=bash
# How programs are run and their figures kept; read by run.sh.

export BENCH_WORK=$work/work.db BENCH_UPGRADES=20000 BENCH_PLACEMENTS=2000 BENCH_SECONDS=3
if [[ $quick ]]; then
  # More than one upgrade for each of the 10,000 nodes: the reference copies rows of both images.
  BENCH_UPGRADES=12000 BENCH_PLACEMENTS=500 BENCH_SECONDS=1
fi

# A fleet is made anew when the schema or its maker changes.
fleet_shape=$(cat src/store/sqlite/migrations/*.sql bench/fleet.cc | sha256sum | cut -c1-12)
cache=${BENCH_CACHE:-build/bench-cache}/$fleet_shape
mkdir -p "$cache"

# fleet NAME HOSTS NODES [varied]: the path of a prepared fleet on SQLite.
fleet() {
  local path=$cache/$1.db
  [[ -f $path ]] || "$bin/make_fleet" "$path" "${@:2}" >&2
  printf '%s' "$path"
}

# measure PROGRAM FILTER: the benchmarks that match, as JSON.
measure() {
  "$bin/$1" --benchmark_filter="$2" --benchmark_format=json 2>"$work/stderr" ||
    { cat "$work/stderr" >&2 && exit 1; }
}

# record ROW OURS REFERENCE
record() { printf '{"row": "%s", "ours": %s, "reference": %s}\n' "$@" >>"$records"; }
rate() { jq '.benchmarks[0].upgrades_per_second'; }  # of what measure() prints
time_of() { jq --arg name "$2" '[.benchmarks[] | select(.name | startswith($name))][0].real_time' <<<"$1"; }

# must_balance DATABASE: fails unless the audit finds it balanced.
must_balance() { BENCH_FLEET=$1 measure audit_bench '^audit/' >/dev/null; }
