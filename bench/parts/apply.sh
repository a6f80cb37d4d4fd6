# shellcheck shell=bash
# A declared fleet of new nodes; read by run.sh.

apply_prepare() {
  part_rounds=3
  apply_nodes=5000
  [[ ! $quick ]] || apply_nodes=500
  apply_program=${BENCH_BUILD:-build/release}/tallyman
  {
    printf 'orgs: [acme]\nregions: [eu]\nhosts:\n'
    for ((i = 1; i <= 100; ++i)); do
      printf -- '- {name: h%s, region: eu, cpu: 128, memory: 1TB, disk: 100TB}\n' "$i"
    done
    printf 'images:\n- {image: p/v@1.0.0, uri: "i:1", cpu: 1, memory: 1GB, disk: 10GB}\nnodes:\n'
    for ((i = 1; i <= apply_nodes; ++i)); do
      printf -- '- {name: node-%s, image: p/v@1.0.0, org: acme, host: h%s}\n' "$i" "$((i % 100 + 1))"
    done
  } >"$work/apply.yaml"
}

# How long the program takes, in milliseconds.
apply_ms() {
  local begun=$EPOCHREALTIME
  "$apply_program" apply "$work/apply.yaml" "$@" >"$work/applied" || exit 1
  local ended=$EPOCHREALTIME
  echo "$(((${ended/./} - ${begun/./}) / 1000))"
}

apply_round() {
  local shown applied nothing direct
  rm -f "$work"/apply.db* "$work"/direct.db* "$work/hold"
  "$apply_program" db migrate --db "sqlite:$work/apply.db" >/dev/null
  mkfifo "$work/hold"
  exec 9<>"$work/hold"
  serve '127.0.0.1:[0-9]+' "$apply_program" server --db "sqlite:$work/apply.db" --listen 127.0.0.1:0
  export TALLYMAN_TOKEN
  TALLYMAN_TOKEN=$(<"$work/apply.db.admin-token")
  shown=$(apply_ms --server "http://$served" --dry-run)
  applied=$(apply_ms --server "http://$served")
  nothing=$(apply_ms --server "http://$served")
  end_server
  exec 9>&-
  "$apply_program" audit --db "sqlite:$work/apply.db" >/dev/null
  direct=$(apply_ms --db "sqlite:$work/direct.db")
  record apply_server "$applied" 3000
  record apply_shown "$shown" "$applied"
  record apply_again "$nothing" "$applied"
  record apply_direct "$direct" "$applied"
}

apply_document() {
  cat <<TEXT
## A declared fleet

$(made_by "SQLite $(sqlite3 --version | cut -d' ' -f1)")

$(table --arg nodes "$apply_nodes" --arg hosts 100)

- \`tallyman apply\` of a file with 100 new hosts and $apply_nodes new nodes, each with a name and a host of its own, from
  the start of the program to its end.
TEXT
}
