-- Every record of the stream as it came: what cannot be parsed is kept too, so that no record
-- blocks the view. Rules are applied behind it (src/sql/streaming/ingest).
CREATE MATERIALIZED VIEW concert_live.sales_stream
SORTKEY (shard_id, position)
AS
SELECT shard_id::VARCHAR(128) AS shard_id,
       -- Numbers of different length compare as texts once they are padded.
       LPAD(sequence_number, 128, '0') AS position,
       approximate_arrival_timestamp,
       refresh_time,
       partition_key,
       CASE WHEN CAN_JSON_PARSE(kinesis_data) THEN JSON_PARSE(kinesis_data) END AS payload,
       CASE WHEN NOT CAN_JSON_PARSE(kinesis_data) THEN kinesis_data END AS unreadable
FROM concert_stream.:stream;
