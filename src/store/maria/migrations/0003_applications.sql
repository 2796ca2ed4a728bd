CREATE TABLE IF NOT EXISTS applications (
  app_name VARCHAR(64) NOT NULL,
  tenant_id VARCHAR(64) NOT NULL,
  created_at BIGINT NOT NULL,
  removed_at BIGINT NULL,
  token_count BIGINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (app_name),
  KEY ix_applications_tenant (tenant_id, app_name),
  KEY ix_applications_removed (removed_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
