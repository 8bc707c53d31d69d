-- The next records behind the positions, as texts; n is their order.
INSERT INTO streamed_taken
SELECT t.*, :is_plain AS is_plain
FROM (
    SELECT ROW_NUMBER() OVER (ORDER BY s.shard_id, s.position) AS n, s.shard_id, s.position,
           s.approximate_arrival_timestamp AS arrived_at, s.payload IS NULL AS is_unreadable,
           :texts
    FROM (
        SELECT v.shard_id, v.position, v.approximate_arrival_timestamp, v.payload
        FROM concert_live.positions p
        JOIN concert_live.sales_stream v ON v.shard_id = p.shard_id AND v.position > p.position
        ORDER BY v.shard_id, v.position
        LIMIT :most
    ) AS s
) AS t;
