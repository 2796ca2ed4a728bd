CREATE TABLE IF NOT EXISTS outbox_aside (
  id BIGINT UNSIGNED NOT NULL COMMENT 'the id it had in the outbox',
  tenant_id VARCHAR(64) NOT NULL,
  event_id BINARY(16) NOT NULL,
  stream TINYINT UNSIGNED NOT NULL,
  subject VARCHAR(512) NOT NULL,
  entity_key VARCHAR(512) NOT NULL,
  headers MEDIUMTEXT NOT NULL,
  payload MEDIUMBLOB NOT NULL,
  created_at BIGINT NOT NULL,
  reason VARCHAR(256) NOT NULL COMMENT 'why no stream takes it',
  aside_at BIGINT NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
