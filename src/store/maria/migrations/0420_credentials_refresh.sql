ALTER TABLE credentials
  ADD COLUMN IF NOT EXISTS refresh MEDIUMTEXT NULL COMMENT 'JSON object; there while rotation names a provider',
  ADD COLUMN IF NOT EXISTS refresh_due_at BIGINT NULL,
  ADD COLUMN IF NOT EXISTS refresh_final_at BIGINT NULL COMMENT 'after it only a person can reconnect',
  ADD COLUMN IF NOT EXISTS refresh_provider VARCHAR(64) NULL,
  ADD KEY IF NOT EXISTS ix_credentials_refresh_due (refresh_due_at),
  ADD KEY IF NOT EXISTS ix_credentials_refresh_final (refresh_final_at, refresh_due_at),
  ADD KEY IF NOT EXISTS ix_credentials_refresh_provider (tenant_id, refresh_provider),
  ADD KEY IF NOT EXISTS ix_credentials_refresh_name (refresh_provider, tenant_id)
