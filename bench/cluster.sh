# shellcheck shell=bash
# A PostgreSQL cluster of its own in the directory of this run; read by run.sh. As root it belongs to
# the user postgres, which PostgreSQL insists on. It is reached through a socket in that directory.

# What differs from PostgreSQL's own defaults. Checkpoints come when a run has copied its fleet, and
# not in the middle of some runs and not of others. fsync stays on.
cluster_settings=(shared_buffers=1GB max_wal_size=8GB checkpoint_timeout=1h max_connections=200)

as_postgres() {
  if ((EUID == 0)); then runuser -u postgres -- "$@"; else "$@"; fi
}

postgres_bin() {
  local bin
  bin=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
  [[ -x $bin ]] || { say "bench: PostgreSQL is missing: scripts/install-deps" && exit 1; }
  dirname "$bin"
}

cluster=
start_cluster() {
  [[ -z $cluster ]] || return 0
  local bin setting
  bin=$(postgres_bin)
  cluster=$work/postgres
  mkdir "$cluster"
  if ((EUID == 0)); then chown postgres "$cluster" && chmod 711 "$work"; fi
  as_postgres "$bin/initdb" -D "$cluster/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 \
    >"$work/initdb.log"
  {
    printf "listen_addresses = ''\nunix_socket_directories = '%s'\n" "$cluster"
    for setting in "${cluster_settings[@]}"; do printf '%s\n' "$setting"; done
  } | as_postgres tee -a "$cluster/data/postgresql.conf" >/dev/null
  # The directory of the server is its own: the caller's may be closed to it.
  (cd / && as_postgres "$bin/pg_ctl" -w -t 60 -D "$cluster/data" -l "$cluster/log" start) \
    >"$work/start.log" || { cat "$cluster/log" >&2 && exit 1; }
  export PGHOST=$cluster PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
}

stop_cluster() {
  [[ -n $cluster && -f $cluster/data/postmaster.pid ]] || return 0
  (cd / && as_postgres "$(postgres_bin)/pg_ctl" -m immediate -w -D "$cluster/data" stop) >/dev/null
}

# database_of NAME: how programs name a database of the cluster.
database_of() { printf 'postgres://postgres@/%s?host=%s&port=5432' "$1" "$cluster"; }

run_sql() { # DATABASE [psql arguments]
  psql -X -q -v ON_ERROR_STOP=1 -d "$1" "${@:2}"
}

# copy_database FROM TO: a fresh copy; an older one of that name is dropped.
copy_database() {
  dropdb --if-exists --force "$2" 2>/dev/null
  createdb -T "$1" "$2"
  run_sql "$2" -c CHECKPOINT
}
