# shellcheck shell=bash
# The parts of docs/benchmarks.md and how they come together; read by run.sh.

document=docs/benchmarks.md

machine() {
  printf '%s, %s cores, %s GB, Linux %s, %s on %s' \
    "$(lscpu | sed -n 's/^Model name: *//p' | head -1)" "$(nproc)" \
    "$(awk '/MemTotal/ { printf "%.0f", $2 / 1e6 }' /proc/meminfo)" "$(uname -r)" \
    "$(df --output=fstype "$work" | tail -1)" "$(df --output=source "$work" | tail -1)"
}

# Who made the part, when, where, and whether it was left in peace.
# made_by ENGINE: the version of what was measured.
made_by() {
  cat <<TEXT
Made by \`$command\` on $(date -u +%F), load average $load before it began, medians of $rounds rounds.
$(machine); $1.
TEXT
  if awk -v load="$load" 'BEGIN { exit load < 1 }'; then
    cat <<TEXT

Other programs kept the machine busy at the same time: the rates are low, above all those of commits, and
a ratio of two programs with unequal numbers of threads favours the one with more. Measure again on a
quiet machine before relying on them.
TEXT
  fi
}

table() { # [arguments for jq]
  jq -rsn "$@" -f bench/report.jq "$records"
}

mark() { printf '<!-- %s -->' "$1"; }

# The part as it was made now; else as the document has it.
section() {
  local text=
  if [[ -f $work/$1.md ]]; then
    text=$(<"$work/$1.md")
  elif [[ -f $document ]]; then
    text=$(sed -n "\|^$(mark "$1")\$|,\|^$(mark "end of $1")\$|p" "$document" | sed '1d;$d')
  fi
  [[ -z $text ]] || printf '\n%s\n%s\n%s\n' "$(mark "$1")" "$text" "$(mark "end of $1")"
}

write_document() {
  local part
  {
    cat <<'TEXT'
# Benchmarks

`make bench` measures everything again and writes this page; `bench/run.sh PART` does one part of it.

Speed on shared machines drifts by a factor of two between runs, so each figure is shown beside a
reference that ran in the same round, and the ratio is what counts: the median of all rounds, with least
and greatest in parentheses. Every run works on a fresh copy of its fleet; afterwards the audit must find
it balanced, also after a reference.
TEXT
    # Notes are written by hand, and kept.
    for part in "${known[@]}" notes; do section "$part"; done
  } >"$work/document.md"
  mv "$work/document.md" "$document"
}
