ALTER TABLE tenants
  ADD COLUMN IF NOT EXISTS mac VARBINARY(16) NULL COMMENT 'tag of the tenant and of the services that it has switched off'
