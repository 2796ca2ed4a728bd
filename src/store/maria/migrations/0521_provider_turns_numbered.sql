ALTER TABLE provider_turns
  ADD COLUMN IF NOT EXISTS lane_turn BIGINT NULL COMMENT 'its number in its lane; null: taken by a release that did not number them',
  ADD COLUMN IF NOT EXISTS held_lane BINARY(16) AS (IF(held_until > 0, lane, NULL)) STORED COMMENT 'of those that were not given back',
  ADD UNIQUE KEY IF NOT EXISTS uq_provider_turns_number (lane, lane_turn),
  ADD KEY IF NOT EXISTS ix_provider_turns_held (held_lane, held_until)
