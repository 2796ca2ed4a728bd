CREATE TABLE IF NOT EXISTS provider_lanes (
  lane BINARY(16) NOT NULL COMMENT 'fingerprint of provider and client id: what shares a rate',
  PRIMARY KEY (lane)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
