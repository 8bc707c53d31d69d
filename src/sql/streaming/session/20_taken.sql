-- The records of one step, as texts; n is their order.
CREATE TEMP TABLE streamed_taken (
    n BIGINT, shard_id VARCHAR(128), position VARCHAR(128), arrived_at TIMESTAMP,
    is_unreadable BOOLEAN, :texts, is_plain BOOLEAN
);
