ALTER TABLE tokens MODIFY COLUMN due_at BIGINT AS
  (IF(status = 3, NULL, LEAST(COALESCE(expires_at, overlap_ends_at), COALESCE(overlap_ends_at, expires_at)))) STORED
  COMMENT 'the nearer end: what the sweep of ended tokens looks for'
