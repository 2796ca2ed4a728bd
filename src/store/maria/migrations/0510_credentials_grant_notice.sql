ALTER TABLE credentials
  ADD COLUMN IF NOT EXISTS refresh_noticed_ms BIGINT UNSIGNED NULL COMMENT 'threshold of the last notice before the end of the grant; 9007199254740991: none yet; NULL: it has no end',
  ADD KEY IF NOT EXISTS ix_credentials_refresh_notice (refresh_noticed_ms, refresh_final_at)
