-- Who sent a request is a token, not its name, which is free for others once it is revoked. Rows of
-- before have none, and neither have requests in process. It is no foreign key: tokens that ended are
-- forgotten.
ALTER TABLE requests ADD COLUMN token_id uuid;
