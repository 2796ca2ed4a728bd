ALTER TABLE idempotency
  ADD COLUMN IF NOT EXISTS seal_key_id BINARY(16) AS (SUBSTR(sealed_answer, 2, 16)) VIRTUAL COMMENT 'the key that the record names',
  ADD KEY IF NOT EXISTS ix_idempotency_seal_key (seal_key_id)
