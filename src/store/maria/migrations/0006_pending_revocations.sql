CREATE TABLE IF NOT EXISTS pending_revocations (
  tenant_id VARCHAR(64) NOT NULL,
  seq BIGINT UNSIGNED NOT NULL,
  committed_at BIGINT NOT NULL,
  targets MEDIUMTEXT NOT NULL COMMENT 'JSON array of RevocationTarget',
  PRIMARY KEY (tenant_id, seq),
  KEY ix_pending_revocations_age (committed_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
