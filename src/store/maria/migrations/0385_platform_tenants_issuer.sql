ALTER TABLE platform_tenants DROP COLUMN IF EXISTS issuer
