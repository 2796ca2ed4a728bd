ALTER TABLE credentials
  ADD COLUMN IF NOT EXISTS former_refresh MEDIUMTEXT NULL COMMENT 'JSON object; what is known of grants since rotation names no provider any more'
