#!/usr/bin/env bash
# What an agent costs whose nodes are at rest: real containers on this machine, as root. Prints the
# share of one core that the agent itself took, that its children took (health commands are run by
# runc), and the memory of agent and monitors.
#
#   bench/agent_at_rest.sh [--nodes N] [--seconds S] [--health]     N 50, S 60
#   BENCH_BUILD  where the program was built (build/release)
set -euo pipefail
cd "$(dirname "$0")/.."

nodes=50 seconds=60 health=''
while (($#)); do
  case $1 in
    --nodes) nodes=${2:?} && shift ;;
    --seconds) seconds=${2:?} && shift ;;
    --health) health=1 ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
  esac
  shift
done
((EUID == 0)) || { echo "bench: it needs root" >&2; exit 1; }
program=$(realpath "${BENCH_BUILD:-build/release}/tallyman")
dir=$PWD/build/agent-at-rest
log=$dir/log

server='' agent=''
clean_up() {
  local mount
  [[ ! $agent ]] || kill "$agent" 2>/dev/null || true
  [[ ! $agent ]] || wait "$agent" 2>/dev/null || true
  [[ ! $server ]] || kill "$server" 2>/dev/null || true
  [[ ! -d $dir/agent/nodes ]] || "$program" agent --stop-nodes --data "$dir/agent" >>"$log" 2>&1 || true
  awk -v dir="$dir/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac |
    while read -r mount; do umount -l "$mount"; done
  rm -rf "$dir/agent" "$dir/images" "$dir/root"
}
trap clean_up EXIT
clean_up
rm -rf "$dir"
mkdir -p "$dir/root/bin"
: >"$log"

cp "$(command -v busybox)" "$dir/root/bin/busybox"
for name in sh sleep true; do ln -s busybox "$dir/root/bin/$name"; done
{
  umoci init --layout "$dir/images"
  umoci new --image "$dir/images:1"
  umoci insert --image "$dir/images:1" "$dir/root" /
  umoci config --image "$dir/images:1" --config.entrypoint /bin/sh --config.cmd -c \
    --config.cmd "trap 'exit 0' TERM; sleep 100000 & wait" ${health:+--config.label tallyman.health=/bin/true}
} >>"$log" 2>&1

"$program" server --db "sqlite:$dir/fleet.db" --listen 127.0.0.1:0 >>"$log" 2>&1 &
server=$!
until url=$(grep -m 1 -oE 'http://127.0.0.1:[0-9]+' "$log"); do sleep 0.1; done
TALLYMAN_SERVER=$url TALLYMAN_TOKEN=$(<"$dir/fleet.db.admin-token")
export TALLYMAN_SERVER TALLYMAN_TOKEN
unset TALLYMAN_DB TALLYMAN_ORG
quietly() { "$program" -q "$@" >>"$log"; }
quietly org create acme
quietly region create here
quietly host create this-machine --region here --cpu 1000 --memory 64GiB --disk 1TB
umask 077
"$program" -q token create join --role join --host this-machine >"$dir/join-token"
umask 022
"$program" agent --server "$url" --data "$dir/agent" --join-token-file "$dir/join-token" --image-room-gb 1 \
  --log-mib 1 >>"$log" 2>&1 &
agent=$!
quietly image create busybox/rest@1.0.0 --uri "oci:$dir/images:1" --cpu 1 --memory 32MiB --disk 16MiB
quietly node create --image busybox/rest@1.0.0 --host "this-machine=$nodes" --name-prefix rest
until [[ $("$program" -q -o json command list --limit 1000 | jq '[.commands[] | select(.state | test("OPEN|TAKEN"))] | length') == 0 ]]; do
  sleep 1
done
running=$("$program" -q -o json node list --limit 1000 | jq '[.nodes[] | select(.node_state == "NODE_STATE_RUNNING")] | length')
[[ $running == "$nodes" ]] || { echo "bench: $running of $nodes nodes run; see $log" >&2; exit 1; }
sleep 15 # what follows upon the creates

ticks() { awk '{ print $14 + $15, $16 + $17 }' "/proc/$agent/stat"; }
kib() { awk '/^'"$1"':/ { sum += $2 } END { print sum + 0 }' "${@:2}"; }
read -r own children <<<"$(ticks)"
sleep "$seconds"
read -r own_after children_after <<<"$(ticks)"
hertz=$(getconf CLK_TCK)
monitors=$(pgrep -f "tallyman-monitor .*$dir/" | sed 's|.*|/proc/&/smaps_rollup|')
echo "nodes at rest: $nodes${health:+, each with a health command}; $seconds s"
awk -v own=$((own_after - own)) -v children=$((children_after - children)) -v s="$seconds" -v hz="$hertz" 'BEGIN {
  printf "the agent itself: %.1f %% of a core\nits children: %.1f %% of a core\n", 100 * own / hz / s, 100 * children / hz / s }'
# shellcheck disable=SC2086  # one path a word
echo "memory: agent $(($(kib VmRSS "/proc/$agent/status") / 1024)) MiB resident, monitors $(($(kib Pss $monitors) / 1024)) MiB in all"
