ALTER TABLE tenants ADD UNIQUE KEY IF NOT EXISTS uq_tenants_issuer (issuer_claimed)
