-- Those in the types of the table, and the first rule that each breaks.
CREATE TEMP TABLE streamed_judged (
    n BIGINT, shard_id VARCHAR(128), position VARCHAR(128), arrived_at TIMESTAMP,
    sent_at TIMESTAMP, record_key VARCHAR(4000), :types, rule VARCHAR(128)
);
