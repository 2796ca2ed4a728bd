ALTER TABLE credentials
  ADD COLUMN IF NOT EXISTS refresh_queue BINARY(16) NULL COMMENT 'the client at one address of its provider: what is picked together',
  ADD COLUMN IF NOT EXISTS refresh_urgency BIGINT NULL COMMENT 'after it waiting costs the grant; 9007199254740991: never',
  ADD KEY IF NOT EXISTS ix_credentials_refresh_queue_due (refresh_queue, refresh_due_at),
  ADD KEY IF NOT EXISTS ix_credentials_refresh_queue_urgency (refresh_queue, refresh_urgency, refresh_due_at)
