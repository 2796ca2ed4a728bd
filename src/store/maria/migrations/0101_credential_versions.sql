CREATE TABLE IF NOT EXISTS credential_versions (
  credential_id BINARY(16) NOT NULL,
  version INT UNSIGNED NOT NULL,
  tenant_id VARCHAR(64) NOT NULL,
  state TINYINT UNSIGNED NOT NULL COMMENT '0 current, 1 overlapping, 2 superseded, 3 revoked, 4 expired',
  sealed MEDIUMBLOB NULL COMMENT 'sealed record; null once wiped',
  key_id BINARY(16) NULL COMMENT 'the key that sealed names',
  fingerprints MEDIUMTEXT NOT NULL COMMENT 'JSON object: field to keyed fingerprint',
  expires_at BIGINT NULL,
  valid_until BIGINT NULL,
  reason VARCHAR(256) NULL,
  created_at BIGINT NOT NULL,
  created_by VARCHAR(256) NOT NULL,
  overlap_due_at BIGINT AS (IF(state = 1, valid_until, NULL)) STORED COMMENT 'what the sweep of overlaps looks for',
  PRIMARY KEY (credential_id, version),
  KEY ix_credential_versions_overlap (overlap_due_at),
  KEY ix_credential_versions_key (key_id, credential_id, version)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin
