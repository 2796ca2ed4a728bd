CREATE TABLE IF NOT EXISTS outbox (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'given under the lock of the tenant, so ascending within a tenant',
  tenant_id VARCHAR(64) NOT NULL,
  event_id BINARY(16) NOT NULL,
  stream TINYINT UNSIGNED NOT NULL COMMENT '0 events, 1 revocations',
  subject VARCHAR(512) NOT NULL,
  entity_key VARCHAR(512) NOT NULL,
  headers MEDIUMTEXT NOT NULL COMMENT 'JSON object of texts',
  payload MEDIUMBLOB NOT NULL,
  created_at BIGINT NOT NULL,
  revocation_seq BIGINT UNSIGNED NULL COMMENT 'not null: leaves after that revocation is in force',
  PRIMARY KEY (id),
  KEY ix_outbox_revocation (tenant_id, revocation_seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
