ALTER TABLE credential_versions
  MODIFY COLUMN created_by VARCHAR(512) NOT NULL COMMENT 'bearer:<tenant>/<sub> has up to 327 characters'
