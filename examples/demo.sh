#!/usr/bin/env bash
# Places a fleet of 240 hosts and 1,050 nodes, upgrades it to versions that need less, more and the
# same, corrupts a counter by hand, and ends with books that balance. Any unexpected result ends the
# demo with an error.
#
#   examples/demo.sh [PROGRAM]      PROGRAM: build/release/tallyman
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1:-build/release/tallyman}
demo=examples/demo
dir=build/demo
database=$dir/fleet.db
log=$dir/log

fail() {
  printf '\ndemo: %s\n' "$*" >&2
  exit 1
}
[[ -x $program ]] || fail "there is no program $program; run \"make build\" first"
command -v sqlite3 >/dev/null || fail "the sqlite3 shell is needed to corrupt a counter by hand"

rm -rf "$dir"
mkdir -p "$dir"
: >"$log"
export TALLYMAN_DB=sqlite:$database TALLYMAN_ACTOR=demo
unset TALLYMAN_ORG
start=$(date +%s%N)

section() { printf '\n== %s\n\n' "$1"; }
# Shows the command as a user would type it, then runs it; its log lines go to the log.
run() {
  printf '$ tallyman'
  printf ' %s' "$@"
  printf '\n'
  "$program" "$@" 2>>"$log" || fail "that ended with status $?: $(tail -n 3 "$log")"
}
# The same for a command that must end with another status.
run_with_status() {
  local expected=$1 status=0
  shift
  printf '$ tallyman %s\n' "$*"
  "$program" "$@" 2>>"$log" || status=$?
  ((status == expected)) || fail "that ended with status $status, not $expected: $(tail -n 3 "$log")"
}
sql() { sqlite3 "$database" "$1"; }
expect() { [[ $2 == "$3" ]] || fail "$1: expected $3, found $2"; }
# Counts in the books: tallyman's answer, not this script's expectation.
count() { "$program" -o json "$@" 2>>"$log" | jq -r "$filter"; }

section "A fleet: real protocol versions, hosts of real sizes"
run import images $demo/images.csv
run import hosts $demo/hosts.csv --disk-gb 16000 --region eu-west
run org create acme
place() { run -q node create --image "$1" --count "$2" --name-prefix "$3" --region eu-west --spread; }
place ethereum/reth-mainnet-full@0.0.9 200 eth
place ethereum/reth-mainnet-archive@0.0.1 100 eth-archive
place ethereum/reth-sepolia-archive@0.0.1 250 sepolia
place gnosis/erigon-mainnet-full@1.0.0 100 gnosis
place avalanche/avalanchego-testnet-archive@1.0.0 100 avax
place sqd/sqd-worker-mainnet@1.0.5 300 sqd

section "The books of some hosts"
run host list --limit 6

section "One upgrade, looked at before it is made"
run node upgrade sepolia-1 sepolia-2 --image ethereum/reth-sepolia-archive@0.0.2 --dry-run

section "Upgrades to versions that need less, more, and the same"
upgrade() {
  printf '# %s\n' "$1"
  run -q node upgrade --all-of "$2" --region eu-west --image "${2%@*}@$3"
}
upgrade "less of everything" ethereum/reth-sepolia-archive@0.0.1 0.0.2
upgrade "fewer cores and less memory, more disk" ethereum/reth-mainnet-archive@0.0.1 0.0.2
upgrade "more of everything" ethereum/reth-sepolia-archive@0.0.2 0.0.11
upgrade "more memory" sqd/sqd-worker-mainnet@1.0.5 1.0.6
upgrade "the same" gnosis/erigon-mainnet-full@1.0.0 1.0.1
upgrade "the same" ethereum/reth-sepolia-archive@0.0.11 0.0.12

section "The same books again"
run host list --limit 6
run ledger node sepolia-1
run audit

host=$(sql "SELECT hosts.name FROM hosts JOIN nodes ON nodes.host_id = hosts.id WHERE nodes.name = 'eth-1'")
section "A counter goes wrong: 100 cores too many on $host, by hand"
printf "$ sqlite3 fleet.db \"UPDATE hosts SET node_cpu_cores = node_cpu_cores + 100 WHERE name = '%s'\"\n" "$host"
sql "UPDATE hosts SET node_cpu_cores = node_cpu_cores + 100 WHERE name = '$host'"
run_with_status 3 audit

section "The next upgrade finds it, logs it and heals it"
: >"$log"
run node upgrade eth-1 --image ethereum/reth-mainnet-full@0.0.11
grep -q drift_found "$log" || fail "the drift was not logged"
printf '\nlogged:\n'
sed 's/^/  /' "$log"
printf '\n'
run ledger host "$host" --filter kind=drift_correction
run audit

filter=.node_count nodes=$(count audit)
filter=.host_count hosts=$(count audit)
filter=.balanced balanced=$(count audit)
filter='[.entries[]] | length'
upgrades=$(sql "SELECT count(*) FROM ledger WHERE kind = 'upgrade'")
expect "balanced" "$balanced" true
expect "nodes" "$nodes" 1050
expect "hosts" "$hosts" 240
expect "upgrades" "$upgrades" 1251
ms=$((($(date +%s%N) - start) / 1000000))

examples/demo_machine.sh "$program"

printf '\n%d nodes on %d hosts, %d upgrades in %d.%d seconds: books balance\n' \
  "$nodes" "$hosts" "$upgrades" $((ms / 1000)) $((ms % 1000 / 100))
