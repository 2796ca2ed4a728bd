CREATE TABLE IF NOT EXISTS provider_circuits (
  circuit BINARY(16) NOT NULL COMMENT 'of a provider at one address, or a lane',
  kind TINYINT UNSIGNED NOT NULL COMMENT '0 provider, 1 client',
  provider VARCHAR(130) NOT NULL COMMENT 'tenant/name, or /name for everybody''s',
  failures INT UNSIGNED NOT NULL COMMENT 'in a row',
  opens INT UNSIGNED NOT NULL,
  open_until BIGINT NOT NULL COMMENT '0 while it is closed',
  probe_until BIGINT NOT NULL COMMENT 'until when somebody tries',
  PRIMARY KEY (circuit),
  KEY ix_provider_circuits_provider (provider)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
