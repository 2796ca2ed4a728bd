CREATE TABLE IF NOT EXISTS master_keys (
  master_key_id VARCHAR(128) NOT NULL,
  fingerprint VARCHAR(256) NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (master_key_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
