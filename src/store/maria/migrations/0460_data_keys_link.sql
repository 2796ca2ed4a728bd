ALTER TABLE data_keys
  ADD COLUMN IF NOT EXISTS link VARCHAR(1024) CHARACTER SET ascii COLLATE ascii_bin NULL
    COMMENT 'of a key that signs the audit: JSON, signed by it and by the one before it'
