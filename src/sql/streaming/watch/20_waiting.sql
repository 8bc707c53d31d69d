-- Records that the view has read from the stream and no step has taken yet.
SELECT COUNT(*) AS waiting
FROM concert_live.positions p
JOIN concert_live.sales_stream v ON v.shard_id = p.shard_id AND v.position > p.position;
