INSERT IGNORE INTO refresh_queues (queue, lane, circuit, provider, rate_per_minute, parallel, closed_until)
  SELECT DISTINCT refresh_queue, refresh_queue, refresh_queue, '', 60, 4, 0 FROM credentials
  WHERE refresh_queue IS NOT NULL
