# shellcheck shell=bash
# Throughput against clients, as a plot; read by run.sh. It works with the fleets and functions of
# parts/postgres.sh.

clients_prepare() {
  part_rounds=3
  client_counts=(1 2 4 8 16 32 64)
  [[ ! $quick ]] || client_counts=(1 8 64)
  reference_fleet fleet_200 200 10000
}

# point SERIES KIND CLIENTS COMMAND...: the command prints the rate.
point() {
  local rate
  rate=$("${@:4}")
  printf '{"series": "%s", "kind": "%s", "clients": %s, "rate": %s}\n' "$1" "$2" "$3" "$rate" \
    >>"$records"
}

sqlite_clients() { # CLIENTS
  local fleet
  fleet=$(fleet fleet-200 200 10000)
  BENCH_FLEET=$fleet BENCH_CLIENTS=$1 measure upgrade_bench '^clients/combined' | rate
}

clients_round() {
  local n
  local -x BENCH_SECONDS=2
  [[ ! $quick ]] || BENCH_SECONDS=1
  for n in "${client_counts[@]}"; do
    point 'SQLite' ours "$n" sqlite_clients "$n"
    point 'PostgreSQL' ours "$n" postgres_clients fleet_200 "$n" combined
    point 'PostgreSQL, combining off' ours "$n" postgres_clients fleet_200 "$n" single
    point 'hand-tuned script (pgbench)' reference "$n" postgres_script fleet_200 "$n"
    point '22 single statements' reference "$n" postgres_flow fleet_200 "$n"
  done
}

clients_points() {
  jq -rn '[inputs] | group_by([.series, .clients]) | map({series: .[0].series, kind: .[0].kind,
      clients: .[0].clients, rates: map(.rate) | sort})
    | map([.series, .kind, .clients, .rates[.rates | length / 2 | floor], .rates[0], .rates[-1]])
    | sort_by(.[1], .[0], .[2])[] | @tsv' "$records"
}

clients_document() {
  local plot=benchmarks-clients.svg made figures names
  clients_points >"$work/points"
  awk -v title='One-node upgrades' \
    -v subtitle="10,000 nodes, 50 a host; fsync on; median, least and greatest of $rounds rounds" \
    -f bench/plot.awk "$work/points" >"$work/$plot"
  [[ $quick ]] || cp "$work/$plot" "docs/$plot"
  made=$(made_by "PostgreSQL and SQLite as above")
  names=$(cut -f1 "$work/points" | uniq)
  figures=$(jq -Rrn '[inputs | split("\t")] | group_by(.[2] | tonumber)[]
    | "| " + ([.[0][2]] + map(.[3] | tonumber | round | tostring) | join(" | ")) + " |"' \
    "$work/points")
  cat <<TEXT
## Throughput against clients

$made

![Durable one-node upgrades per second against clients]($plot)

| clients | $(paste -sd '|' <<<"$names" | sed 's/|/ | /g') |
|---|$(sed 's/.*/---/' <<<"$names" | paste -sd '|')|
$figures
TEXT
}
