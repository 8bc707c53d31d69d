-- They as texts; n is their order.
INSERT INTO streamed_taken
SELECT t.*, :is_plain AS is_plain
FROM (
    SELECT ROW_NUMBER() OVER (ORDER BY s.shard_id, s.position) AS n, s.shard_id, s.position,
           s.arrived_at, s.payload IS NULL AS is_unreadable, :texts
    FROM streamed_next AS s
) AS t;
