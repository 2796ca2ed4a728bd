UPDATE tokens SET ended_by = IF(reason = 'rotated', 1, 0)
  WHERE status = 3 AND ended_by IS NULL AND reason IN ('rotated', 'expired') AND updated_by = 'expiry'
