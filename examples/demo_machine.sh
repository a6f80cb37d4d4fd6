#!/usr/bin/env bash
# The second act of the demo: this machine becomes a host. A server, an agent, two nodes in
# containers, an upgrade; and the books' charges beside the kernel's limits. Then a rollout of a bad
# version, which its canary stops, and one of a good version, on a full host. Needs root.
#
#   examples/demo_machine.sh [PROGRAM]      PROGRAM: build/release/tallyman
set -euo pipefail
cd "$(dirname "$0")/.."

program=$(realpath "${1:-build/release/tallyman}")
dir=$PWD/build/demo/machine
log=$dir/log

why_not() {
  ((EUID == 0)) || { echo "it needs root" && return; }
  local tool
  for tool in runc skopeo umoci mkfs.ext4 busybox jq; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed" && return; }
  done
  [[ -w /dev/loop-control ]] || { echo "there are no loop devices" && return; }
  [[ $dir =~ ^[A-Za-z0-9/._-]+$ ]] || { echo "the agent does not like the path $dir" && return; }
}
if reason=$(why_not) && [[ $reason ]]; then
  printf '\nThe second act, real containers on this machine, is left out: %s.\n' "$reason"
  exit 0
fi

server='' agent=''
# Cleans up in any case.
clean_up() {
  [[ ! $agent ]] || kill -9 "$agent" 2>/dev/null || true
  [[ ! $server ]] || kill -9 "$server" 2>/dev/null || true
  local mount
  [[ ! -d $dir/agent/nodes ]] || "$program" agent --stop-nodes --data "$dir/agent" >>"$log" 2>&1 || true
  awk -v dir="$dir/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac |
    while read -r mount; do umount -l "$mount"; done
  rm -rf "$dir/agent" "$dir/images" "$dir/root"
}
trap clean_up EXIT
fail() {
  printf '\ndemo: %s\n' "$*" >&2
  tail -n 5 "$log" >&2
  exit 1
}
section() { printf '\n== %s\n\n' "$1"; }
run() {
  printf '$ tallyman'
  printf ' %s' "$@"
  printf '\n'
  "$program" "$@" 2>>"$log" || fail "that ended with status $?"
}
# The same for a command that must end with another status.
run_with_status() {
  local expected=$1 status=0
  shift
  printf '$ tallyman %s\n' "$*"
  "$program" "$@" 2>>"$log" || status=$?
  ((status == expected)) || fail "that ended with status $status, not $expected"
}
quietly() { "$program" -q "$@" 2>>"$log" || fail "tallyman $* ended with status $?"; }
until_done() {
  local tries
  for ((tries = 0; tries < 150; ++tries)); do
    [[ $(quietly -o json command list | jq '[.commands[] | select(.state | test("OPEN|TAKEN"))] | length') != 0 ]] || return 0
    sleep 0.1
  done
  fail "the agent did not finish"
}

clean_up
rm -rf "$dir"
mkdir -p "$dir/root/bin"
: >"$log"
start=$(date +%s%N)

# Makes two versions of an image from one busybox, without a network.
cp "$(command -v busybox)" "$dir/root/bin/busybox"
ln -s busybox "$dir/root/bin/sh"
ln -s busybox "$dir/root/bin/sleep"
{
  umoci init --layout "$dir/images"
  umoci new --image "$dir/images:1"
  umoci insert --image "$dir/images:1" "$dir/root" /
  umoci config --image "$dir/images:1" --config.entrypoint /bin/sh --config.cmd -c \
    --config.cmd "trap 'exit 0' TERM; while :; do sleep 0.1; done"
  umoci tag --image "$dir/images:1" 2
  umoci tag --image "$dir/images:1" 4
  umoci tag --image "$dir/images:1" 3
  umoci config --image "$dir/images:3" --config.cmd -c --config.cmd "sleep 1; exit 1"
} >>"$log" 2>&1 || fail "no image could be made"

section "The second act: this machine becomes a host"
"$program" server --db "sqlite:$dir/fleet.db" --listen 127.0.0.1:0 >>"$log" 2>&1 &
server=$!
for ((tries = 0; tries < 100; ++tries)); do
  url=$(grep -m 1 -oE 'http://127.0.0.1:[0-9]+' "$log") && break
  sleep 0.05
done
[[ $url ]] || fail "the server did not start"
export TALLYMAN_SERVER=$url
TALLYMAN_TOKEN=$(<"$dir/fleet.db.admin-token")
export TALLYMAN_TOKEN
unset TALLYMAN_DB TALLYMAN_ORG
quietly org create acme >/dev/null
quietly region create here >/dev/null
run host create this-machine --region here --cpu 16 --memory 16GiB --disk 100GB
umask 077
quietly token create join --role join --host this-machine >"$dir/join-token"
printf '$ tallyman agent --server %s --data %s --join-token-file join-token &\n' "$url" "${dir#"$PWD/"}/agent"
"$program" agent --server "$url" --data "$dir/agent" --join-token-file "$dir/join-token" \
  --image-room-gb 1 --status-seconds 1 >>"$log" 2>&1 &
agent=$!
run image create busybox/shell@1.0.0 --uri "oci:$dir/images:1" --cpu 1 --memory 64MiB --disk 32MiB
run image create busybox/shell@2.0.0 --uri "oci:$dir/images:2" --cpu 2 --memory 160MiB --disk 96MiB
run -q node create --image busybox/shell@1.0.0 --host this-machine=2 --name-prefix shell
until_done

# The first of these files that exists: control groups of version 1, or of version 2.
group() { cat "/sys/fs/cgroup/$1/tallyman/$3/$2" 2>/dev/null || cut -d ' ' -f 1 "/sys/fs/cgroup/tallyman/$3/$4"; }
beside() {
  printf '\n%-8s  %-14s %12s %14s\n' NODE WHAT 'IN THE BOOKS' 'IN THE KERNEL'
  local name id books kernel what amounts limits i
  while read -r name id books; do
    kernel="$(($(group cpu cpu.cfs_quota_us "$id" cpu.max) / 100000)) $(group memory memory.limit_in_bytes "$id" memory.max) $(stat -c %s "$dir/agent/nodes/$id/disk.img")"
    [[ $books == "$kernel" ]] || fail "$name: the books say $books, the kernel $kernel"
    read -r -a amounts <<<"$books"
    read -r -a limits <<<"$kernel"
    i=0
    for what in "cores" "bytes memory" "bytes disk"; do
      printf '%-8s  %-14s %12s %14s\n' "$name" "$what" "${amounts[i]}" "${limits[i]}"
      i=$((i + 1))
    done
  done < <(quietly -o json node list | jq -r '.nodes[] | [.name, .id, .resources.cpu_cores, .resources.memory_bytes, .resources.disk_bytes] | join(" ")')
}
section "What the books charge, and what the kernel enforces"
run node list
beside

section "An upgrade to twice the size, carried out in a container"
run -q node upgrade shell-1 --image busybox/shell@2.0.0
until_done
beside
printf '\n'
run audit

section "Version 3.0.0 ends a second after its start: its canary stops the rollout"
run image create busybox/shell@3.0.0 --uri "oci:$dir/images:3" --cpu 2 --memory 128MiB --disk 64MiB
run image create busybox/shell@4.0.0 --uri "oci:$dir/images:4" --cpu 1 --memory 80MiB --disk 64MiB
run -q node create --image busybox/shell@1.0.0 --host this-machine=3 --name-prefix shell
until_done
run rollout create bad --all-of busybox/shell@1.0.0 --image busybox/shell@3.0.0 --soak 3s
run_with_status 8 rollout watch bad
run rollout nodes bad
run rollout abort bad
run_with_status 8 rollout watch bad

section "Version 4.0.0 needs more memory than 1.0.0, and the host is full until shell-1 makes room"
run host update this-machine --memory 416MiB
run rollout create good --all-of 'busybox/*' --image busybox/shell@4.0.0 --soak 2s --pause-after 1 --max-in-flight 4 --per-host 4
run_with_status 8 rollout watch good
run rollout resume good
run rollout watch good
until_done
run rollout show good
beside

section "And back: each node gets what it had before, the small ones first"
run rollout revert good
run rollout watch good-revert
until_done
beside
printf '\n'
run audit
[[ $(quietly -o json audit | jq .balanced) == true ]] || fail "the books do not balance"
quietly node delete shell-{1..5} --yes >/dev/null
until_done
kill "$agent" "$server"
wait "$agent" "$server" || fail "agent or server ended badly"
agent='' server=''
ms=$((($(date +%s%N) - start) / 1000000))
printf '\nThe second act took %d.%d seconds: books and kernel agree\n' $((ms / 1000)) $((ms % 1000 / 100))
