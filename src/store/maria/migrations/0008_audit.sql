CREATE TABLE IF NOT EXISTS audit (
  tenant_id VARCHAR(64) NOT NULL,
  seq BIGINT UNSIGNED NOT NULL,
  at BIGINT NOT NULL,
  actor VARCHAR(256) NOT NULL,
  action VARCHAR(64) NOT NULL,
  entity_type VARCHAR(64) NOT NULL,
  entity_id VARCHAR(256) NOT NULL,
  diff MEDIUMTEXT NULL COMMENT 'the very text that was hashed',
  prev_hash BINARY(32) NOT NULL,
  hash BINARY(32) NOT NULL,
  PRIMARY KEY (tenant_id, seq),
  KEY ix_audit_entity (tenant_id, entity_id, seq),
  KEY ix_audit_at (tenant_id, at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
