UPDATE tokens SET overlap_ends_at = expires_at WHERE end_reason = 1 AND expires_at IS NOT NULL AND overlap_ends_at IS NULL
