ALTER TABLE tenant_counters
  ADD COLUMN IF NOT EXISTS live_tokens BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'tokens that are not Revoked',
  ADD COLUMN IF NOT EXISTS live_credentials BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'credentials that are not revoked'
