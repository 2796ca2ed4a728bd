ALTER TABLE tenant_counters
  ADD COLUMN IF NOT EXISTS live_clients BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'client credentials that are not Revoked'
