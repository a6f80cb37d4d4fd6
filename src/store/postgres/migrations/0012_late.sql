-- A command that may begin only for a while: after it, its acknowledgement is refused and it is withdrawn.
ALTER TABLE commands ADD COLUMN not_after bigint;
CREATE INDEX commands_late ON commands (not_after) WHERE state = 'open' AND not_after IS NOT NULL;
