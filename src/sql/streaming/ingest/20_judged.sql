-- Plain events in the types of the table. Those that are not plain come behind, by the batch's SQL.
CREATE TEMP TABLE streamed_judged AS
SELECT n, shard_id, position, arrived_at, :sent_at AS sent_at, sale_id AS record_key, :values,
       CAST(NULL AS VARCHAR(128)) AS rule
FROM streamed_taken
WHERE is_plain;
