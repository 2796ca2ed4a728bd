ALTER TABLE tenants
  ADD COLUMN IF NOT EXISTS settings_mac BINARY(16) NULL COMMENT 'tag over what is configured: whom it believes'
