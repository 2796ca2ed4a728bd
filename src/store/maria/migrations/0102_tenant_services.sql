CREATE TABLE IF NOT EXISTS tenant_services (
  tenant_id VARCHAR(64) NOT NULL,
  service_name VARCHAR(64) NOT NULL,
  is_active TINYINT UNSIGNED NOT NULL,
  reason VARCHAR(256) NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, service_name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
