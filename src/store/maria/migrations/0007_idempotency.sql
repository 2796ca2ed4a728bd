CREATE TABLE IF NOT EXISTS idempotency (
  tenant_id VARCHAR(64) NOT NULL,
  key_hash VARCHAR(128) NOT NULL,
  fingerprint VARCHAR(128) NOT NULL,
  sealed_answer MEDIUMBLOB NOT NULL,
  revocation_seq BIGINT UNSIGNED NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, key_hash),
  KEY ix_idempotency_age (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
