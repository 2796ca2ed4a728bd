CREATE TABLE IF NOT EXISTS application_withdrawals (
  app_name VARCHAR(64) NOT NULL,
  tenant_id VARCHAR(64) NOT NULL,
  after_token_id BINARY(16) NOT NULL,
  PRIMARY KEY (app_name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
