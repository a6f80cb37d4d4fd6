# From the records of all rounds to the table of processor time. Input: objects with row, rate,
# program and server.
include "numbers" {search: "./"};

def rows: [
  ["ours", "ours, combined"],
  ["ours_bare", "the same without any foreign key"],
  ["single", "ours, combining off"],
  ["flow", "22 single statements"],
  ["flow_bare", "the same without any foreign key"],
  ["script", "hand-tuned script (pgbench)"]
];

[inputs] as $records
| def of($row; f): [$records[] | select(.row == $row) | f] | median;
  "| what | program | server | in all | the 22 statements take | upgrades/s in this run |",
  "|---|---|---|---|---|---|",
  (rows[] as $row
   | (of($row[0]; .program) + of($row[0]; .server)) as $all
   | (if $row[0] | endswith("_bare") then "flow_bare" else "flow" end) as $reference
   | "| " + ([$row[1], (of($row[0]; .program) | amount), (of($row[0]; .server) | amount),
       ($all | amount), ((of($reference; .program) + of($reference; .server)) / $all | amount) + " x",
       (of($row[0]; .rate) | amount)] | join(" | ")) + " |")
