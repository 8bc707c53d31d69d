-- Records ingested of each shard.
SELECT shard_id, records FROM concert_live.positions ORDER BY shard_id;
