ALTER TABLE tenants
  ADD COLUMN IF NOT EXISTS issuer VARCHAR(512) NULL,
  ADD COLUMN IF NOT EXISTS issuer_claimed VARCHAR(512) NULL
    COMMENT 'the issuer while the tenant lives: nobody else may have it',
  ADD COLUMN IF NOT EXISTS audience VARCHAR(256) NULL,
  ADD COLUMN IF NOT EXISTS jwks_uri VARCHAR(512) NULL,
  ADD COLUMN IF NOT EXISTS retention BIGINT NULL COMMENT 'milliseconds; NULL is the default of the service',
  ADD COLUMN IF NOT EXISTS limits VARCHAR(1024) NULL COMMENT 'JSON: the limits that are not the default'
