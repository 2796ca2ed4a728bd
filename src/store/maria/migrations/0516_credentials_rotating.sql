ALTER TABLE credentials
  ADD COLUMN IF NOT EXISTS rotating MEDIUMTEXT NULL COMMENT 'JSON object; there while rotation names a rotator',
  ADD COLUMN IF NOT EXISTS rotator VARCHAR(64) NULL,
  ADD KEY IF NOT EXISTS ix_credentials_rotator (tenant_id, rotator),
  ADD KEY IF NOT EXISTS ix_credentials_rotator_name (rotator, tenant_id)
