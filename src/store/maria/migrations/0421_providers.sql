CREATE TABLE IF NOT EXISTS providers (
  tenant_id VARCHAR(64) NOT NULL,
  name VARCHAR(64) NOT NULL,
  provider_id BINARY(16) NOT NULL COMMENT 'what is sealed for it is in credential_versions under this id',
  version INT UNSIGNED NOT NULL,
  definition MEDIUMTEXT NOT NULL COMMENT 'JSON object, as it was written, without anything secret',
  client_id VARCHAR(1024) NULL,
  secrets INT UNSIGNED NOT NULL,
  has_key TINYINT UNSIGNED NOT NULL,
  updated_at BIGINT NOT NULL,
  mac VARBINARY(32) NULL,
  PRIMARY KEY (tenant_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
