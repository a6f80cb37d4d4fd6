# shellcheck shell=bash
# Rollouts beside the same upgrades without them; read by run.sh.

rollouts_prepare() {
  part_rounds=3
  rollouts_nodes=10000
  [[ ! $quick ]] || rollouts_nodes=1000
  rollouts_fleet=$(fleet "fleet-$rollouts_nodes" $((rollouts_nodes / 50)) "$rollouts_nodes")
}

rollouts_round() {
  local found
  found=$(BENCH_FLEET=$rollouts_fleet "$bin/rollout_bench" upgrade "$rollouts_nodes")
  record rollout_upgrade "$(jq ".ours * 1000 / $rollouts_nodes" <<<"$found")" \
    "$(jq ".reference * 1000 / $rollouts_nodes" <<<"$found")"
  record rollout_upgrade_cpu "$(jq ".ours_cpu * 1000 / $rollouts_nodes" <<<"$found")" \
    "$(jq ".reference_cpu * 1000 / $rollouts_nodes" <<<"$found")"
  found=$(BENCH_FLEET=$rollouts_fleet "$bin/rollout_bench" create "$rollouts_nodes")
  record rollout_create "$(jq .ours <<<"$found")" "$(jq .reference <<<"$found")"
  found=$(BENCH_FLEET=$rollouts_fleet "$bin/rollout_bench" step "$rollouts_nodes")
  record rollout_step "$(jq .ours <<<"$found")" 20
  record rollout_step_one "$(jq .ours <<<"$found")" "$(jq .reference <<<"$found")"
  found=$(BENCH_FLEET=$rollouts_fleet "$bin/rollout_bench" pause 500)
  record rollout_pause "$(jq .ours <<<"$found")" "$(jq .reference <<<"$found")"
  record rollout_pause_limit "$(jq .ours <<<"$found")" 1000
}

rollouts_document() {
  cat <<TEXT
## Rollouts

$(made_by "SQLite $(sqlite3 --version | cut -d' ' -f1)")

$(table --arg nodes 0 --arg hosts 0)

- $rollouts_nodes nodes, 50 a host. The agents are in the same process, and answer at once: each fetches, takes, and tells
  the outcomes with a complete status of its host. The rollout has one wave, 500 nodes in flight and no soak; the
  reference upgrades 500 nodes in one request, and the same agents carry them out (\`bench/rollout_bench\`).
- Ours is all of it: planning, creating, releases, verdicts, to the end of the rollout.
- In the step with nothing to do all nodes are in flight, and their hosts at work: it reads each of them and writes nothing.
- A pause takes back 500 upgrades that no host has begun, with their books; no host begins one after its answer.
TEXT
}
