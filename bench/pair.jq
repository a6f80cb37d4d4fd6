# The records of bench/pair.sh as rows of a table.
def median: sort | if length % 2 == 1 then .[(length - 1) / 2] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def shown: if . >= 1000 then round elif . >= 10 then (. * 10 | round / 10) else (. * 100 | round / 100) end;
def ratio: . * 1000 | round / 1000;

. as $all
| reduce .[].row as $row ([]; if index([$row]) then . else . + [$row] end)
| .[] as $row
| [$all[] | select(.row == $row)] as $here
| [$here[] | select(.build == 0)] as $before
| [$here[] | select(.build == 1)] as $now
| [$before[] as $b | $now[] | select(.round == $b.round) | .figure / $b.figure] as $ratios
| "| \($row) | \($before | map(.figure) | median | shown) | \($now | map(.figure) | median | shown) | "
  + "\($ratios | median | ratio) (\($ratios | min | ratio) to \($ratios | max | ratio)) |"
