// SQL that makes a rollout r, as tables of cases want it.
#pragma once

// A rollout "r" without nodes.
#define ROLLOUT_THAT_IS(state)                                                                 \
  "INSERT INTO rollouts SELECT o.id, 'r', NULL, i.id, '" state                                 \
  "', '', 0, 'tester', 1, 1, 1, NULL, '{\"max_in_flight\":1,\"per_host\":1,\"soak_us\":0,"     \
  "\"begin_within_us\":1,\"healthy_within_us\":1,\"no_progress_us\":1,\"waves\":[{\"size\":1," \
  "\"max_failures\":0,\"accepted_failures\":0,\"pause_after\":false}]}', NULL FROM orgs o, "   \
  "(SELECT id FROM images LIMIT 1) i WHERE o.name = 'acme'"

// One in which each of `nodes` is in a state, upgraded by the command that created it.
#define ROLLOUT_WITH(state, nodes)                                                                 \
  ROLLOUT_THAT_IS("paused")                                                                        \
  "; INSERT INTO rollout_nodes SELECT r.id, n.id, n.host_id, 0, 1, '" state                        \
  "', '', n.config_id, (SELECT id FROM commands WHERE node_id = n.id), NULL, NULL, NULL, NULL, 1 " \
  "= 0 "                                                                                           \
  "FROM rollouts r, nodes n WHERE n.name IN (" nodes ")"
