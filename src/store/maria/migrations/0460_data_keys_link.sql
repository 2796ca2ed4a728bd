ALTER TABLE data_keys
  ADD COLUMN IF NOT EXISTS link VARCHAR(1024) NULL
    COMMENT 'of a key that signs the audit: JSON, signed by it and by the one before it'
