ALTER TABLE tokens
  COMMENT 'rows lie by hash: what validations look up is one page away',
  MODIFY created_by VARCHAR(384) NOT NULL,
  MODIFY updated_by VARCHAR(384) NOT NULL
