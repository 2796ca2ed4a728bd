UPDATE credentials SET
  refresh_queue = UNHEX(JSON_VALUE(refresh, '$.lane')),
  refresh_urgency = COALESCE(refresh_final_at, 9007199254740991)
WHERE refresh IS NOT NULL AND refresh_queue IS NULL
