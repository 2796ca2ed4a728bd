ALTER TABLE credentials
  MODIFY COLUMN created_by VARCHAR(512) NOT NULL COMMENT 'bearer:<tenant>/<sub> has up to 327 characters',
  MODIFY COLUMN updated_by VARCHAR(512) NOT NULL
