CREATE TABLE IF NOT EXISTS platform_tenants (
  tenant_id VARCHAR(64) NOT NULL,
  ended_at BIGINT NULL,
  end_done TINYINT NOT NULL DEFAULT 0,
  named_at BIGINT NULL,
  issuer VARCHAR(2048) NULL,
  PRIMARY KEY (tenant_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
