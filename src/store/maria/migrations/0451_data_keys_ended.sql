ALTER TABLE data_keys
  ADD COLUMN IF NOT EXISTS ended_at BIGINT NULL COMMENT 'when its tenant was removed, until the material is destroyed',
  ADD COLUMN IF NOT EXISTS ended_retention BIGINT NULL COMMENT 'milliseconds; NULL is the default of the service',
  ADD KEY IF NOT EXISTS ix_data_keys_ended (ended_at)
