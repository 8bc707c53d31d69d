-- The quarantine; the raw record is the event as it came, in hexadecimal digits where it is no text.
INSERT INTO concert_dw.rejected_records
    (run_id, table_name, record_key, rule, raw_record, parent_key)
SELECT :run, 'ticket_sales', e.record_key, e.outcome,
       CASE WHEN v.payload IS NOT NULL AND JSON_SIZE(v.payload) <= 65000
                THEN JSON_SERIALIZE(v.payload)
            WHEN v.payload IS NOT NULL THEN 'a record of more than 65000 bytes'
            WHEN LENGTH(v.unreadable) > 32000 THEN 'a record of more than 32000 bytes'
            WHEN IS_UTF8(v.unreadable) THEN FROM_VARBYTE(v.unreadable, 'utf-8')
            ELSE FROM_VARBYTE(v.unreadable, 'hex') END,
       CASE WHEN e.outcome = 'orphan:concert_id' THEN e.concert_id END
FROM streamed_checked e
JOIN concert_live.sales_stream v ON v.shard_id = e.shard_id AND v.position = e.position
WHERE e.outcome <> 'duplicate';
