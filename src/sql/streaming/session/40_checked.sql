-- What becomes of each: outcome is NULL for a sale, 'duplicate', or the rule that it breaks.
CREATE TEMP TABLE streamed_checked (
    n BIGINT, shard_id VARCHAR(128), position VARCHAR(128), arrived_at TIMESTAMP,
    sent_at TIMESTAMP, record_key VARCHAR(4000), :types, capacity INTEGER, tickets_sold BIGINT,
    outcome VARCHAR(128)
);
