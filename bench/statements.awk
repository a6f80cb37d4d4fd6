# From a log of PostgreSQL with all durations to "CLIENTS<tab>STATEMENT<tab>MEAN us": how long the
# statements of a lot take, from binding to the last row.
#
#   awk -v clients=32 -f bench/statements.awk LOG

function name(sql) {
  if (sql ~ /FROM hosts h WHERE h.id IN.*FOR NO KEY UPDATE/) return "lock hosts"
  if (sql ~ /FROM nodes n WHERE n.id = ANY.*FOR NO KEY UPDATE/) return "lock nodes"
  if (sql ~ /^WITH done AS \(UPDATE/) return "update " word(sql, 5)
  if (sql ~ /^INSERT INTO/) return "insert " word(sql, 3)
  if (sql ~ /^SELECT tallyman_prove_books/) return "prove the books"
  if (sql ~ /^SELECT c.node_id, c.id, c.kind/) return "read transitions"
  if (sql ~ /^SELECT n.id, n.name, n.org_id/) return "read nodes"
  if (sql ~ /^SELECT h.id, h.name/) return "read hosts"
  if (sql == "BEGIN" || sql == "COMMIT") return sql
  return ""
}
function word(text, n,   parts) {
  split(text, parts, " ")
  return parts[n]
}

match($0, /duration: [0-9.]+ ms  (bind|execute) t[0-9]+: /) {
  split(substr($0, RSTART, RLENGTH), head, " ")
  what = name(substr($0, RSTART + RLENGTH))
  if (what == "") next
  total[what] += head[2] * 1000
  if (head[4] == "execute") ++count[what]
}
END {
  for (what in count) {
    # What a lot does once; the audit at the end does other things.
    if (count[what] >= 0.5 * count["COMMIT"]) printf "%s\t%s\t%.1f\n", clients, what, total[what] / count[what]
  }
}
