-- Plain events, cast. Those that are not plain come behind, by the batch's SQL.
INSERT INTO streamed_judged
SELECT n, shard_id, position, arrived_at, :sent_at AS sent_at, sale_id AS record_key, :values,
       CAST(NULL AS VARCHAR(128)) AS rule
FROM streamed_taken
WHERE is_plain;
