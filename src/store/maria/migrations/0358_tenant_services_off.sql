ALTER TABLE tenant_services
  ADD KEY IF NOT EXISTS ix_tenant_services_off (tenant_id, is_active, service_name)
