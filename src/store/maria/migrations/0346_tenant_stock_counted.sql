UPDATE tenant_counters c SET
  live_tokens = (SELECT COUNT(*) FROM tokens t WHERE t.tenant_id = c.tenant_id AND t.status <> 3),
  live_credentials = (SELECT COUNT(*) FROM credentials k WHERE k.tenant_id = c.tenant_id AND k.state <> 1)
