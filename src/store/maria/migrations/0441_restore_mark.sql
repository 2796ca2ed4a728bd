-- Written by whoever puts a backup back: until it is replayed, no replica answers anything.
CREATE TABLE IF NOT EXISTS restore_mark (
  id TINYINT NOT NULL,
  backup_at BIGINT NOT NULL COMMENT 'what was committed later is not in the database',
  accept_gap TINYINT NOT NULL DEFAULT 0,
  replayed_at BIGINT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
