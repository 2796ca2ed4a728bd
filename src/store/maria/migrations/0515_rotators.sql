CREATE TABLE IF NOT EXISTS rotators (
  tenant_id VARCHAR(64) NOT NULL,
  name VARCHAR(64) NOT NULL,
  version INT UNSIGNED NOT NULL,
  definition TEXT NOT NULL COMMENT 'JSON object, as it was written; nothing secret',
  updated_at BIGINT NOT NULL,
  mac VARBINARY(32) NULL,
  PRIMARY KEY (tenant_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
