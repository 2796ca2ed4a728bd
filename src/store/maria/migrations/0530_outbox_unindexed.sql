ALTER TABLE outbox
  DROP KEY IF EXISTS ix_outbox_revocation
