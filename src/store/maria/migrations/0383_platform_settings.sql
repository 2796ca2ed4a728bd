CREATE TABLE IF NOT EXISTS platform_settings (
  kind VARCHAR(16) NOT NULL,
  name VARCHAR(64) NOT NULL,
  tenant_id VARCHAR(64) NOT NULL,
  settings TEXT NULL,
  since BIGINT NOT NULL,
  read_at BIGINT NOT NULL,
  refused VARCHAR(256) NULL,
  refused_at BIGINT NULL,
  changed_at BIGINT NOT NULL,
  PRIMARY KEY (kind, name),
  KEY ix_platform_settings_changed (changed_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
