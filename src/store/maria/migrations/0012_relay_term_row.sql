INSERT IGNORE INTO relay_term (id, term, replica_id, expires_at) VALUES (1, 0, NULL, 0)
