-- A node of a rollout may go back to a config; and whether it ran at all before the rollout.
ALTER TABLE rollout_nodes ADD COLUMN to_config_id BLOB REFERENCES configs (id);
ALTER TABLE rollout_nodes ADD COLUMN was_unwell INTEGER NOT NULL DEFAULT 0 CHECK (was_unwell IN (0, 1));
DROP INDEX rollout_nodes_by_state;
CREATE INDEX rollout_nodes_by_state ON rollout_nodes (rollout_id, state, wave, was_unwell);
