-- A checkpoint names the one before it and its own number. Those that were there have neither.
ALTER TABLE audit_checkpoints
  ADD COLUMN IF NOT EXISTS number BIGINT UNSIGNED NULL,
  ADD COLUMN IF NOT EXISTS previous_seq BIGINT UNSIGNED NULL,
  ADD COLUMN IF NOT EXISTS previous_hash BINARY(32) NULL
