UPDATE credentials SET refresh_noticed_ms = 9007199254740991
WHERE refresh_final_at IS NOT NULL AND state <> 1 AND refresh_noticed_ms IS NULL
