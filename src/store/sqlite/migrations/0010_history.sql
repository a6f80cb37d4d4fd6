-- What may still be forgotten: a command's payload is emptied together with the config that it led to
-- (configs.json). The rows stay, and leave this index.
CREATE INDEX commands_kept ON commands (ended_at) WHERE ended_at IS NOT NULL AND payload <> '';
