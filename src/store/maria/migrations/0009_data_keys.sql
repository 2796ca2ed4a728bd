CREATE TABLE IF NOT EXISTS data_keys (
  key_id BINARY(16) NOT NULL,
  purpose VARCHAR(32) NOT NULL,
  tenant_id VARCHAR(64) NULL COMMENT 'null: a key of the whole service',
  state VARCHAR(16) NOT NULL COMMENT 'active, retiring, retired',
  master_key_id VARCHAR(128) NOT NULL,
  wrapped VARBINARY(2048) NOT NULL,
  created_at BIGINT NOT NULL,
  active_for VARCHAR(128) AS (IF(state = 'active', CONCAT(purpose, '/', IFNULL(tenant_id, '')), NULL)) STORED,
  PRIMARY KEY (key_id),
  UNIQUE KEY uq_data_keys_active (active_for)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
