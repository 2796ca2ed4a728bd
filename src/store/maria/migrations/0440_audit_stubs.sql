-- What was cut from the beginning of a tenant's audit: the newest stub, signed.
CREATE TABLE IF NOT EXISTS audit_stubs (
  tenant_id VARCHAR(64) NOT NULL,
  first_seq BIGINT UNSIGNED NOT NULL,
  last_seq BIGINT UNSIGNED NOT NULL,
  hash BINARY(32) NOT NULL COMMENT 'of the row last_seq',
  row_count BIGINT UNSIGNED NOT NULL,
  cut_by VARCHAR(384) NOT NULL,
  at BIGINT NOT NULL,
  key_id BINARY(16) NOT NULL,
  signature BINARY(64) NOT NULL COMMENT 'Ed25519',
  PRIMARY KEY (tenant_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
