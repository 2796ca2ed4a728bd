ALTER TABLE tokens
  ADD COLUMN IF NOT EXISTS overlap_ends_at BIGINT NULL COMMENT 'end of the overlap after a rotation' AFTER expires_at,
  ADD COLUMN IF NOT EXISTS ended_by TINYINT UNSIGNED NULL COMMENT 'of a Revoked one: 0 its expiry, 1 a rotation, null a request' AFTER overlap_ends_at,
  MODIFY COLUMN end_reason TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'not used any more'
