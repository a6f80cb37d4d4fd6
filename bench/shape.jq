# From the records of all rounds to one table. Input: objects with row, backend and value.
include "numbers" {search: "./"};

def rows: [
  ["nodes_1000", "upgrades among 1,000 nodes", "/s"],
  ["nodes_20000", "among 20,000 nodes", "/s"],
  ["nodes_100000", "among 100,000 nodes", "/s"],
  ["nodes_1000000", "among 1,000,000 nodes", "/s"],
  ["many", "on 200 hosts of 50 nodes", "/s"],
  ["hot", "on one hot host of 50 nodes", "/s"],
  ["plan/spread/few", "choosing one of 1,000 hosts, spread, dry run", "us"],
  ["plan/spread/many", "of \($many | commas) hosts", "us"],
  ["plan/pack/few", "choosing one of 1,000 hosts, pack, dry run", "us"],
  ["plan/pack/many", "of \($many | commas) hosts", "us"],
  ["create/spread/few", "placing a node among 1,000 hosts, spread", "us"],
  ["create/spread/many", "among \($many | commas) hosts", "us"],
  ["create/pack/few", "placing a node among 1,000 hosts, pack", "us"],
  ["create/pack/many", "among \($many | commas) hosts", "us"]
];

def cell($records; $row; $backend):
  [$records[] | select(.row == $row[0] and .backend == $backend) | .value]
  | if length == 0 then "" else "\(spread(amount)) \($row[2])" end;

[inputs] | (if (.[0] | type) == "array" then .[0] else . end) as $records
| "| what | SQLite | PostgreSQL |", "|---|---|---|",
  (rows[] as $row | select(any($records[]; .row == $row[0]))
    | "| \($row[1]) | \(cell($records; $row; "sqlite")) | \(cell($records; $row; "postgres")) |")
