CREATE TABLE IF NOT EXISTS key_rotation (
  id TINYINT UNSIGNED NOT NULL COMMENT 'there is one row, 1',
  started_at BIGINT NOT NULL,
  total BIGINT UNSIGNED NOT NULL COMMENT 'rows that had to be moved then',
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
