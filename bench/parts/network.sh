# shellcheck shell=bash
# Calls through HTTP, and what a server needs; read by run.sh.

network_prepare() {
  part_rounds=5
  network_seconds=10
  [[ ! $quick ]] || network_seconds=3
  network_fleet=$(fleet fleet-200 200 10000)
}

# Starts a program in the background that says where it serves: what of its output matches is then in
# $served. Its standard input ends when descriptor 9 does.
serve() { # PATTERN PROGRAM ARGUMENT...
  local pattern=$1 log=$work/serve.log
  shift
  : >"$log"
  "$@" >"$log" 2>&1 <"$work/hold" &
  server=$!
  until served=$(grep -m 1 -oE "$pattern" "$log"); do
    kill -0 "$server" 2>/dev/null || { cat "$log" >&2 && exit 1; }
    sleep 0.02
  done
}

end_server() {
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" || true
}

# The processor time that the server has used, in microseconds.
server_cpu_us() {
  awk -v tick="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print int(($12 + $13) * 1e6 / tick) }' "/proc/$server/stat"
}

# 64 clients call a method; what bench/calls.lua prints, and the server's processor time of a call.
calls() { # METHOD PORT
  local before printed
  before=$(server_cpu_us)
  printed=$(BENCH_METHOD=$1 BENCH_THREADS=2 wrk -t 2 -c 64 -d "${network_seconds}s" --timeout 30s \
    -s bench/calls.lua "http://127.0.0.1:$2" | tail -n 1)
  jq -c --argjson used "$(($(server_cpu_us) - before))" '. + {cpu_us: ($used / .calls)}' <<<"$printed"
}

# A copy of the fleet, its nodes, and what holds a server: its standard input.
network_database() {
  rm -f "$work"/net.db* "$work/hold"
  cp "$network_fleet" "$work/net.db"
  sqlite3 "$work/net.db" "SELECT lower(substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-' ||
    substr(h, 13, 4) || '-' || substr(h, 17, 4) || '-' || substr(h, 21))
    FROM (SELECT hex(id) h FROM nodes) ORDER BY random()" >"$BENCH_NODES"
  mkfifo "$work/hold"
  exec 9<>"$work/hold"
}

# Serves a copy of the fleet, and calls it: sets reads, upgrades, reads_open (as calls prints them),
# and bytes, the length of an answer.
network_calls() {
  local failed
  export BENCH_NODES=$work/nodes BENCH_TOKEN
  network_database
  serve '127.0.0.1:[0-9]+' "${BENCH_BUILD:-build/release}/tallyman" server \
    --db "sqlite:$work/net.db" --listen 127.0.0.1:0
  BENCH_TOKEN=$(<"$work/net.db.admin-token")
  reads=$(calls GetNode "${served##*:}")
  upgrades=$(calls UpgradeNodes "${served##*:}")
  reads_open=$(calls GetNode "${served##*:}")
  bytes=$(curl -sS -H "Authorization: Bearer $BENCH_TOKEN" -H 'Content-Type: application/json' \
    -d "{\"node\": \"$(head -n 1 "$BENCH_NODES")\"}" \
    "http://$served/tallyman.v1.NodeService/GetNode" | wc -c)
  end_server
  failed=$(jq -s 'map(.failed) | add' <<<"$upgrades $reads $reads_open")
  ((failed == 0)) || { say "bench: $failed calls failed"; exit 1; }
  exec 9>&-
  must_balance "$work/net.db"
}

network_round() {
  local upgrades reads reads_open bare bytes needs
  network_calls
  record network_upgrades "$(jq .rate <<<"$upgrades")" \
    "$(BENCH_FLEET=$network_fleet measure upgrade_bench '^callers/single' | rate)"
  record network_p99 "$(jq .p99_us <<<"$upgrades")" "$(jq .p50_us <<<"$upgrades")"
  exec 9<>"$work/hold"
  serve '^[0-9]+' "$bin/bare_http" "$bytes"
  bare=$(calls GetNode "$served")
  end_server
  record network_reads "$(jq .rate <<<"$reads")" "$(jq .rate <<<"$bare")"
  record network_reads_open "$(jq .rate <<<"$reads_open")" "$(jq .rate <<<"$bare")"
  exec 9>&-
  needs=$(node bench/footprint.mjs "${BENCH_BUILD:-build/release}/tallyman" || true)
  record server_ready "$(jq .ready_ms <<<"$needs")" 200
  record server_idle "$(jq .idle_mb <<<"$needs")" 40
  record server_streams "$(jq .streams_mb <<<"$needs")" 300
}

network_document() {
  cat <<TEXT
## Through HTTP

$(made_by "SQLite $(sqlite3 --version | cut -d' ' -f1), wrk for the clients")

$(table --arg nodes 0 --arg hosts 0)

- 64 connections of wrk, on the same cores, to a separate server; each call is one request in JSON with a
  token. The fleet has 10,000 nodes, 50 a host; commits are durable.
- Reads are of \`GetNode\`, first of a fleet at rest, then again with an upgrade open on every node, after tens of
  thousands of them; the bare HTTP layer (\`bench/bare_http\`) answers with as many bytes without looking at the request.
- \`bench/footprint.mjs\` measures a server's footprint; an idle one has served nothing yet, and a stream is one
  of \`WatchEvents\` in plain HTTP.
TEXT
}
