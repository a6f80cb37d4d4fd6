# shellcheck shell=bash
# Agents at one server; read by run.sh.

agents_prepare() {
  part_rounds=3
  agents_count=5000
  [[ ! $quick ]] || agents_count=500
  # What the agents are told to make is all that there is: they have nothing else on their hosts.
  agents_hosts=$(fleet "empty-$agents_count" "$agents_count" 0)
  agents_fleet=$(fleet "sparse-$agents_count" "$agents_count" "$agents_count")
}

agents_round() {
  local ours bare
  rm -f "$work"/agents.db* "$work/hold"
  cp "$agents_hosts" "$work/agents.db"
  mkfifo "$work/hold"
  exec 9<>"$work/hold"
  serve '127.0.0.1:[0-9]+' "${BENCH_BUILD:-build/release}/tallyman" server \
    --db "sqlite:$work/agents.db" --listen 127.0.0.1:0
  ours=$("$bin/agents_bench" "$served" "$(<"$work/agents.db.admin-token")" "$agents_count")
  end_server
  exec 9>&-
  must_balance "$work/agents.db"
  bare=$(BENCH_FLEET=$agents_fleet measure upgrade_bench '^callers/combined' | rate)
  record agents_settled "$(jq .settled_rate <<<"$ours")" "$bare"
  record agents_asked "$(jq .asked_rate <<<"$ours")" "$bare"
}

agents_document() {
  cat <<TEXT
## Agents

$(made_by "SQLite $(sqlite3 --version | cut -d' ' -f1)")

$(table --arg nodes 0 --arg hosts 0)

- $agents_count hosts, each with an agent that only simulates containers: a token, a stream of wake-ups, a connection
  while it has something to report, a journal in memory; all of them in one process on the cores of the server. 64
  clients request one upgrade of one node on each host; every upgrade is three durable changes: requested, taken,
  settled.
- The reference requests upgrades in process, with 64 callers, and nobody carries them out.
TEXT
}
