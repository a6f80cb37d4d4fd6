# shellcheck shell=bash
# Where the time of an upgrade on PostgreSQL goes; read by run.sh. It works with the fleets and
# functions of parts/postgres.sh.

profile_prepare() {
  part_rounds=3
  reference_fleet fleet_200 200 10000
  copy_database fleet_200 fleet_bare
  # By the catalogue: what else a database enforces stays.
  run_sql fleet_bare -c "DO \$\$ DECLARE c record; BEGIN
    FOR c IN SELECT conrelid::regclass AS of, conname FROM pg_constraint WHERE contype = 'f' LOOP
      EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.of, c.conname);
    END LOOP; END \$\$" -c CHECKPOINT
}

# Processor time of all sessions of the server that have ended, in ticks.
server_ticks() { awk '{ print $16 + $17 }' "/proc/$(head -n 1 "$cluster/data/postmaster.pid")/stat"; }

sessions_have_ended() {
  until [[ $(run_sql postgres -At -c \
    "SELECT count(*) FROM pg_stat_activity WHERE datname = 'work'") == 0 ]]; do sleep 0.05; done
}

# profile ROW FUNCTION FLEET ARGUMENT...: the function copies the fleet, runs, prints the rate and
# ends with an audit; what copy and audit cost is measured by a run of (nearly) no time.
profile() {
  local row=$1 rate ticks none program
  local -x BENCH_SECONDS TIMEFORMAT='%U %S'
  BENCH_SECONDS=1 && profile_run "${@:2}" && none=("$rate" "$ticks" "$program")
  BENCH_SECONDS=6 && profile_run "${@:2}"
  # The second run did this much more work than the first.
  awk -v row="$row" -v n="$rate" -v n0="${none[0]}" -v s="$ticks" -v s0="${none[1]}" \
    -v p="$program" -v p0="${none[2]}" -v hz="$(getconf CLK_TCK)" 'BEGIN {
      work = n * 6 - n0
      printf "{\"row\": \"%s\", \"rate\": %s, \"program\": %.1f, \"server\": %.1f}\n", row, n,
        (p - p0) * 1e6 / work, (s - s0) / hz * 1e6 / work }' >>"$records"
}

profile_run() {
  local before
  before=$(server_ticks)
  { time rate=$("$@") 2>&3; } 3>&2 2>"$work/time"
  sessions_have_ended
  ticks=$(($(server_ticks) - before))
  program=$(awk '{ print $1 + $2 }' "$work/time")
}

# profile_statements CLIENTS: the mean time of each statement of a lot, as the server logs it.
profile_statements() {
  local BENCH_SECONDS=2
  : >"$cluster/log"
  run_sql postgres -c 'ALTER SYSTEM SET log_min_duration_statement = 0' \
    -c 'ALTER SYSTEM SET log_parameter_max_length = 0' -c 'SELECT pg_reload_conf()' >/dev/null
  postgres_clients fleet_200 "$1" combined >/dev/null
  run_sql postgres -c 'ALTER SYSTEM RESET log_min_duration_statement' \
    -c 'SELECT pg_reload_conf()' >/dev/null
  awk -v clients="$1" -f bench/statements.awk "$cluster/log" >>"$work/statements"
}

profile_round() {
  profile ours postgres_clients fleet_200 32 combined
  profile single postgres_clients fleet_200 32 single
  profile flow postgres_flow fleet_200 32
  profile script postgres_script fleet_200 32
  profile ours_bare postgres_clients fleet_bare 32 combined
  profile flow_bare postgres_flow fleet_bare 32
  if ((round == 1)); then
    : >"$work/statements"
    profile_statements 1
    profile_statements 32
  fi
}

profile_document() {
  local made figures statements
  made=$(made_by "PostgreSQL as above")
  figures=$(jq -rn -f bench/profile.jq "$records")
  statements=$(jq -Rrn '[inputs | split("\t")] | group_by(.[1]) | map({what: .[0][1],
      one: (map(select(.[0] == "1"))[0][2] // "0" | tonumber),
      many: (map(select(.[0] == "32"))[0][2] // "0" | tonumber)}) | sort_by(-.many)[]
    | select(.one > 0 and .many > 0) | "| \(.what) | \(.one | round) | \(.many | round) |"' \
    "$work/statements")
  cat <<TEXT
## Where the time goes on PostgreSQL

$made

Processor time of one upgrade, 32 clients, in microseconds; two cores have 2,000,000 of them per second:

$figures

The server's work for a lot, in mean microseconds per statement (with binding, as in the server's log, and
with waits for locks and for the disk), with one client, so lots of one, and with 32:

| statement | lots of one | 32 clients |
|---|---|---|
$statements

Why goals above are missed: group commit saves the wait for the disk and the statements of a transaction, and
here the disk answers fast (COMMIT, lots of one). With 32 clients both sides use the whole processor, so the
ratio of their rates is that of their processor time, in the first table: each upgrade needs rows inserted,
indexed and checked by their foreign keys, however many upgrades share a transaction. The hot row, and a
request of thousands, are bound by the same work per row.
TEXT
}
