CREATE TABLE IF NOT EXISTS refresh_queues (
  queue BINARY(16) NOT NULL,
  lane BINARY(16) NOT NULL,
  circuit BINARY(16) NOT NULL,
  provider VARCHAR(130) NOT NULL COMMENT 'tenant/name, or /name for everybody''s',
  rate_per_minute INT UNSIGNED NOT NULL,
  parallel INT UNSIGNED NOT NULL,
  closed_until BIGINT NOT NULL COMMENT 'nothing of it is picked before',
  PRIMARY KEY (queue),
  KEY ix_refresh_queues_lane (lane),
  KEY ix_refresh_queues_circuit (circuit),
  KEY ix_refresh_queues_provider (provider)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
