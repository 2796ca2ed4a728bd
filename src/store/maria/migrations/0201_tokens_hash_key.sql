ALTER TABLE tokens ADD KEY IF NOT EXISTS ix_tokens_hash_key (hash_key_id, tenant_id, token_id)
