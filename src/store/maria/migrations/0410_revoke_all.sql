CREATE TABLE IF NOT EXISTS revoke_all (
  tenant_id VARCHAR(64) NOT NULL,
  operation_id BINARY(16) NOT NULL,
  population MEDIUMTEXT NOT NULL COMMENT 'JSON: what was asked for',
  reason VARCHAR(256) NULL,
  asker TEXT NOT NULL COMMENT 'JSON: the principal',
  correlation_id VARCHAR(256) NOT NULL,
  matched BIGINT UNSIGNED NOT NULL,
  at_least TINYINT UNSIGNED NOT NULL COMMENT '1: not all were counted in time',
  done BIGINT UNSIGNED NOT NULL,
  street INT UNSIGNED NOT NULL COMMENT 'where the walk is',
  after_token_id BINARY(16) NULL,
  started_at BIGINT NOT NULL,
  finished_at BIGINT NULL COMMENT 'when all of it was in force',
  open_since BIGINT AS (IF(finished_at IS NULL, started_at, NULL)) STORED COMMENT 'what the sweep looks for',
  PRIMARY KEY (tenant_id, operation_id),
  KEY ix_revoke_all_open (open_since)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
