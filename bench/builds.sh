# shellcheck shell=bash disable=SC2034,SC2154
# For scripts that compare the two directories of `builds`: checks them, and makes what the parts need.

for build in "${builds[@]}"; do
  [[ -x $build/bench/upgrade_bench ]] || { say "bench: $build has no benchmarks: scripts/build release bench/all"; exit 1; }
done

work=$(mktemp -d "${TMPDIR:-/tmp}/tallyman-bench-XXXXXX")
trap 'stop_cluster; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
# shellcheck source=bench/measure.sh
. bench/measure.sh
# shellcheck source=bench/cluster.sh
. bench/cluster.sh
# shellcheck source=bench/parts/network.sh
. bench/parts/network.sh
# shellcheck source=bench/parts/postgres.sh
. bench/parts/postgres.sh

# What is measured now, and where its fleets are: 0 is the build of before, 1 that of now.
choose() {
  turn=$1
  bin=${builds[$1]}/bench
  BENCH_BUILD=${builds[$1]}
  cache=$work/$1
  mkdir -p "$cache"
}
