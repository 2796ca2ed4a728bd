ALTER TABLE credential_versions MODIFY created_by VARCHAR(384) NOT NULL
