ALTER TABLE key_rotation
  MODIFY COLUMN total BIGINT UNSIGNED NULL COMMENT 'rows that had to be moved, counted after it began; null: not counted yet',
  ADD COLUMN IF NOT EXISTS moved BIGINT UNSIGNED NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS moving_since BIGINT NULL COMMENT 'when the first row was moved',
  ADD COLUMN IF NOT EXISTS ended_at BIGINT NULL COMMENT 'when nothing was left'
