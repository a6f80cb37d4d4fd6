-- A node of a rollout may go back to a config; and whether it ran at all before the rollout.
ALTER TABLE rollout_nodes ADD COLUMN to_config_id uuid REFERENCES configs (id);
ALTER TABLE rollout_nodes ADD COLUMN was_unwell boolean NOT NULL DEFAULT false;
DROP INDEX rollout_nodes_by_state;
CREATE INDEX rollout_nodes_by_state ON rollout_nodes (rollout_id, state, wave, was_unwell);
