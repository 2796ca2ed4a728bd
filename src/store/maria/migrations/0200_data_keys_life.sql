ALTER TABLE data_keys
  ADD COLUMN IF NOT EXISTS uses BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'records sealed with it, counted in blocks before use',
  ADD COLUMN IF NOT EXISTS retired_at BIGINT NULL,
  ADD KEY IF NOT EXISTS ix_data_keys_state (state, key_id),
  ADD KEY IF NOT EXISTS ix_data_keys_tenant (tenant_id, key_id)
