UPDATE tenant_counters c SET
  live_clients = (SELECT COUNT(*) FROM client_credentials k WHERE k.tenant_id = c.tenant_id AND k.status <> 3)
