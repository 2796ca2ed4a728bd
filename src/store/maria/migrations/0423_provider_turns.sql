CREATE TABLE IF NOT EXISTS provider_turns (
  turn_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  lane BINARY(16) NOT NULL,
  taken_at BIGINT NOT NULL,
  held_until BIGINT NOT NULL COMMENT '0 once it was given back; it still counts against the rate',
  PRIMARY KEY (turn_id),
  KEY ix_provider_turns_lane (lane, taken_at),
  KEY ix_provider_turns_taken (taken_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
