CREATE TABLE IF NOT EXISTS tenants (
  tenant_id VARCHAR(64) NOT NULL,
  name VARCHAR(256) NULL,
  created_at BIGINT NOT NULL COMMENT 'UNIX milliseconds, as all times here',
  removed_at BIGINT NULL,
  PRIMARY KEY (tenant_id),
  KEY ix_tenants_removed (removed_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
