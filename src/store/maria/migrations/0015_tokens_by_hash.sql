ALTER TABLE tokens
  COMMENT 'rows lie by hash: what validations look up is one page away',
  DROP KEY IF EXISTS uq_tokens_hash,
  DROP PRIMARY KEY,
  ADD PRIMARY KEY (hash),
  ADD UNIQUE KEY IF NOT EXISTS uq_tokens_id (token_id)
