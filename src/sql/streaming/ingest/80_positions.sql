-- The positions behind the rows of this transaction.
UPDATE concert_live.positions
SET position = t.position, records = positions.records + t.records
FROM (
    SELECT shard_id, MAX(position) AS position, COUNT(*) AS records
    FROM streamed_taken
    GROUP BY shard_id
) AS t
WHERE t.shard_id = positions.shard_id;
