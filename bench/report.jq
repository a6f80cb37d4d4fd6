# From the records of all rounds to one table. Input: objects with row, ours and reference.
include "numbers" {search: "./"};

def percent: . * 100 | round | "\(.) %";

# id, what, reference, unit, goal as [comparison, ratio]; no goal: the row is there to explain another.
def rows: [
  ["loop", "one-node upgrades, 64 callers", "bare C loop", "/s", [">=", 0.7]],
  ["callbacks", "the same without threads", "bare C loop", "/s", null],
  ["loop_cpu", "CPU per upgrade, 64 callers", "bare C loop", "us", null],
  ["combining_200", "one-node upgrades, 64 callers, 200 hosts", "combining off", "/s", null],
  ["combining_10", "the same on 10 hosts", "combining off", "/s", [">=", 4]],
  ["combining_1000", "the same on 1,000 hosts", "combining off", "/s", [">=", 2.5]],
  ["one_request", "nodes of one request of 10,000 nodes", "one-node requests of one client", "/s", [">=", 5]],
  ["network_upgrades", "one-node upgrades through HTTP, 64 clients", "in process, combining off", "/s", [">=", 2]],
  ["network_p99", "their 99th percentile", "their median", "us", ["<=", 5]],
  ["server_ready", "a server is ready after its start", "at most", "ms", ["<=", 1]],
  ["server_idle", "memory of an idle server", "at most", "MB", ["<=", 1]],
  ["server_streams", "memory with 10,000 idle streams", "at most", "MB", ["<=", 1]],
  ["network_reads", "GetNode through HTTP, 64 clients", "the bare HTTP layer", "/s", [">=", 0.4]],
  ["network_reads_open", "the same, an upgrade open on every node", "the bare HTTP layer", "/s", null],
  ["apply_server", "apply of \($nodes | commas) new nodes on \($hosts | commas) new hosts through a server", "at most", "ms", ["<=", 1]],
  ["apply_shown", "its dry run", "the apply", "ms", ["<=", 1.5]],
  ["apply_again", "applied again", "the apply", "ms", null],
  ["apply_direct", "without a server, into a new database", "the apply", "ms", null],
  ["agents_settled", "upgrades of 5,000 hosts, one each, until they are settled", "upgrades asked for in process", "/s", null],
  ["agents_asked", "the same until all are asked for", "upgrades asked for in process", "/s", null],
  ["plan/spread", "choosing one of 100,000 hosts, spread, dry run", "of 1,000 hosts", "us", ["<=", 2]],
  ["plan/pack", "the same, pack", "of 1,000 hosts", "us", ["<=", 2]],
  ["create/spread", "placing one node among 100,000 hosts, spread", "among 1,000 hosts", "us", ["<=", 2]],
  ["create/pack", "the same, pack", "among 1,000 hosts", "us", ["<=", 2]],
  ["audit", "audit of \($nodes | commas) nodes on \($hosts | commas) hosts", "bare SQL statements", "ms", ["<=", 2]],
  ["audit_whole", "the same", "bare SQL statements, and every balance", "ms", null],
  ["audit_mb", "peak memory of the audit", "of the bare SQL statements", "MB", null],
  ["pg_flow", "one-node upgrades, 32 clients", "22 single statements", "/s", [">=", 6]],
  ["pg_script", "the same", "hand-tuned script (pgbench)", "/s", [">=", 3]],
  ["pg_combining", "the same", "combining off", "/s", null],
  ["pg_single_flow", "the same, combining off", "22 single statements", "/s", null],
  ["pg_single_script", "the same, combining off", "hand-tuned script (pgbench)", "/s", null],
  ["pg_hot_flow", "32 clients on one host of 50 nodes (hot row)", "22 single statements", "/s", [">=", 30]],
  ["pg_hot_script", "the same", "hand-tuned script (pgbench)", "/s", null],
  ["pg_hot_combining", "the same", "combining off", "/s", null],
  ["pg_one_request", "nodes of one request of 10,000 nodes", "one-node requests of one client", "/s", [">=", 15]],
  ["rollout_upgrade", "a node of a rollout of 10,000 nodes", "the same batches by UpgradeNodes", "us", ["<=", 1.25]],
  ["rollout_upgrade_cpu", "its CPU, agents included", "the same batches by UpgradeNodes", "us", null],
  ["rollout_create", "planning and creating a rollout of 10,000 nodes", "a dry run of UpgradeNodes", "ms", ["<=", 2]],
  ["rollout_step", "a step with nothing to do, 100 rollouts, 10,000 nodes in flight", "at most", "ms", ["<=", 1]],
  ["rollout_step_one", "the same", "one rollout, 500 of its 10,000 nodes in flight", "ms", null],
  ["rollout_pause", "a pause with 500 nodes in flight", "an upgrade of 500 nodes", "ms", null],
  ["rollout_pause_limit", "the same", "at most", "ms", ["<=", 1]],
  ["copy_rows", "rows of `db copy` from SQLite to PostgreSQL", "at least", "/s", [">=", 1]],
  ["list_db", "`node list -o json`, with --db", "at most", "s", ["<=", 1]],
  ["list_db_mb", "its memory", "at most", "MB", ["<=", 1]],
  ["list_server", "the same from a server", "at most", "s", ["<=", 1]],
  ["list_server_mb", "its memory", "at most", "MB", ["<=", 1]],
  ["large_sqlite", "p99 of other writes during a request of 3,000 nodes, SQLite", "at most", "ms", ["<=", 1]],
  ["large_postgres", "the same, PostgreSQL", "at most", "ms", ["<=", 1]]
];

def verdict(goal; ratio):
  if goal == null then ["", ""]
  else
    (if goal[0] == ">=" then ratio / goal[1] - 1 else 1 - ratio / goal[1] end) as $margin
    | ["\(goal[0]) \(goal[1])", if $margin >= 0 then "met" else "missed by \(-$margin | percent)" end]
  end;

def line($records; $row):
  [$records[] | select(.row == $row[0])] as $found
  | select($found | length > 0)
  | [$found[] | .ours / .reference] as $ratios
  | verdict($row[4]; $ratios | median) as $verdict
  | [$row[1], "\([$found[].ours] | spread(amount)) \($row[3])", $row[2],
     "\([$found[].reference] | spread(amount)) \($row[3])", ($ratios | spread(amount)), $verdict[0], $verdict[1]];

[inputs] | (if (.[0] | type) == "array" then .[0] else . end) as $records
| ([$records[] | select(.row | endswith("per_commit"))]) as $lots
| ["what", "ours", "reference", "its figure", "ratio", "goal", ""] as $head
| "| " + ($head | join(" | ")) + " |",
  "|" + ([$head[] | "---"] | join("|")) + "|",
  (rows[] as $row | line($records; $row) | "| " + join(" | ") + " |"),
  if $lots == [] then empty else
  "",
  "Upgrades per commit with \(if $lots[0].row == "per_commit" then "64 callers" else "32 clients" end): \([$lots[].ours] | spread(amount))."
  end
