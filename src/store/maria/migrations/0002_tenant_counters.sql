CREATE TABLE IF NOT EXISTS tenant_counters (
  tenant_id VARCHAR(64) NOT NULL COMMENT 'outlives the tenant: its sequences never start again',
  revocation_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
  audit_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
  audit_hash BINARY(32) NULL COMMENT 'hash of the last audit row, null before the first',
  token_count BIGINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
