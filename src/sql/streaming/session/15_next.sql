-- The records that a step takes from the view.
CREATE TEMP TABLE streamed_next (
    shard_id VARCHAR(128), position VARCHAR(128), arrived_at TIMESTAMP, payload SUPER
);
