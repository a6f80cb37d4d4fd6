# shellcheck shell=bash
# SQLite beside a bare C loop, itself without combining, and bare SQL; read by run.sh.

sqlite_prepare() {
  part_rounds=5
  audit_hosts=10000
  [[ ! $quick ]] || audit_hosts=1000
  audit_nodes=$((100 * audit_hosts))
}

# The bare loop on a fresh copy, with the rows and the lots of the run just before it.
bare_loop() { # FLEET UPGRADES PER_COMMIT
  rm -f "$work"/bare.db*
  cp "$1" "$work/bare.db"
  "$bin/reference_loop" "$work/bare.db" "$BENCH_WORK" "$2" "$3"
}

sqlite_upgrades() {
  local all one ours bare single hosts
  all=$(fleet fleet-200 200 10000)
  export BENCH_FLEET=$all
  ours=$(measure upgrade_bench '^callers/combined')
  local per_commit
  per_commit=$(jq '.benchmarks[0].per_commit' <<<"$ours")
  bare=$(bare_loop "$all" "$BENCH_UPGRADES" "$per_commit")
  record loop "$(rate <<<"$ours")" "$(rate <<<"$bare")"
  record loop_cpu "$(jq '.benchmarks[0].cpu_us' <<<"$ours")" "$(jq '.benchmarks[0].cpu_us' <<<"$bare")"
  record per_commit "$per_commit" 1
  must_balance "$work/bare.db"
  ours=$(measure upgrade_bench '^callbacks/combined')
  bare=$(bare_loop "$all" "$BENCH_UPGRADES" "$(jq '.benchmarks[0].per_commit' <<<"$ours")")
  record callbacks "$(rate <<<"$ours")" "$(rate <<<"$bare")"
  for hosts in 200 10 1000; do
    BENCH_FLEET=$(fleet "fleet-$hosts" "$hosts" 10000)
    ours=$(measure upgrade_bench '^callers/combined')
    single=$(measure upgrade_bench '^callers/single')
    record "combining_$hosts" "$(rate <<<"$ours")" "$(rate <<<"$single")"
  done
  BENCH_FLEET=$all
  all=$(measure upgrade_bench '^one_request')
  one=$(measure upgrade_bench '^one_client')
  record one_request "$(rate <<<"$all")" "$(rate <<<"$one")"
}

sqlite_placement() {
  local result what
  BENCH_FEW=$(fleet hosts-1000 1000 3000 varied)
  BENCH_MANY=$(fleet hosts-100000 100000 300000 varied)
  export BENCH_FEW BENCH_MANY
  result=$(measure placement_bench .)
  for what in plan/spread plan/pack create/spread create/pack; do
    record "$what" "$(time_of "$result" "$what/many")" "$(time_of "$result" "$what/few")"
  done
}

sqlite_audit() {
  local ours bare whole
  BENCH_FLEET=$(fleet "audit-$audit_nodes" "$audit_hosts" "$audit_nodes")
  export BENCH_FLEET
  ours=$(measure audit_bench '^audit/')
  bare=$(measure audit_bench '^sql/')
  whole=$(measure audit_bench '^sql_whole/')
  record audit "$(time_of "$ours" audit)" "$(time_of "$bare" sql)"
  record audit_whole "$(time_of "$ours" audit)" "$(time_of "$whole" sql_whole)"
  record audit_mb "$(jq '.benchmarks[0].peak_mb' <<<"$ours")" "$(jq '.benchmarks[0].peak_mb' <<<"$bare")"
}

sqlite_round() {
  sqlite_upgrades
  sqlite_placement
  sqlite_audit
}

sqlite_document() {
  local made figures trace
  made=$(made_by "SQLite $(sqlite3 --version | cut -d' ' -f1)")
  figures=$(table --arg nodes "$audit_nodes" --arg hosts "$audit_hosts")
  trace=$("$bin/cluster_trace" "${TALLYMAN_DATA:-../shared/data}" "$work/trace.db" | sed "s|$work/||")
  cat <<TEXT
## SQLite

$made

$figures

- Fleet: 10,000 nodes, 50 a host, unless the row says otherwise. Commits are durable (WAL,
  \`synchronous=FULL\`).
- 64 callers are threads that each wait for their own upgrade, through the API's dispatcher in one
  process. "Without threads": the answer to one upgrade sends the next, as in a server.
- The bare loop (\`bench/reference_loop.c\`) runs the same statements on the same schema with the same
  settings and as many upgrades per commit as the run beside it, on one thread, with rows of the same
  length and no other work.
- Combining (group commit) only saves an upgrade its own commit and sync: the faster the disk syncs, the
  smaller is the ratio to "combining off", also for the bare loop.
- A placement is the whole request, to the answer: as a dry run, or with the durable commit.
- The bare statements of the audit compare sums with books and holds, fields with configs, holds with open
  commands, and the ledger's fold, last balance and last number with the books. The audit also checks that
  every balance follows from the one before it; "and every balance" has the bare statements do so too.

The tasks of a production cluster, from files to a balanced audit (\`bench/cluster_trace\`):

\`\`\`text
$trace
\`\`\`
TEXT
}
