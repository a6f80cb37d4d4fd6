# Numbers as the tables show them.

def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def commas: tostring | [match(".{1,3}(?=(.{3})*$)"; "g").string] | join(",");
def amount: if . >= 1000 then round | commas elif . >= 10 then round | tostring else . * 100 | round / 100 | tostring end;
def spread(f): if length == 1 then .[0] | f else "\(median | f) (\(min | f) to \(max | f))" end;
