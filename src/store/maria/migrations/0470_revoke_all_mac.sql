ALTER TABLE revoke_all
  ADD COLUMN IF NOT EXISTS mac VARBINARY(16) NULL COMMENT 'tag of what the row says, under a key that is not in the database'
