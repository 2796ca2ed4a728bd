CREATE TABLE IF NOT EXISTS sweep_claims (
  sweep VARCHAR(64) NOT NULL,
  replica_id VARCHAR(64) NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (sweep)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
