-- The next records behind the positions; as literals they bound the range of the sort key that
-- is read, however long the view is.
INSERT INTO streamed_next
SELECT shard_id, position, approximate_arrival_timestamp, payload
FROM concert_live.sales_stream
WHERE :behind
ORDER BY shard_id, position
LIMIT :most;
