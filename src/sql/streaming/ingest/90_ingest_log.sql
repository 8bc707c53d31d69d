-- What this transaction did, and how long its records had been in the stream.
INSERT INTO concert_live.ingest_log (ingested_at, records, sales, rejected, duplicates, late,
                                     delay_p50_ms, delay_p99_ms, is_rebuilt)
SELECT MAX(at), COUNT(*), SUM(CASE WHEN outcome IS NULL THEN 1 ELSE 0 END),
       SUM(CASE WHEN outcome <> 'duplicate' THEN 1 ELSE 0 END),
       SUM(CASE WHEN outcome = 'duplicate' THEN 1 ELSE 0 END),
       SUM(CASE WHEN outcome IS NULL AND purchased_at < DATEADD(minute, :late, sent_at)
                THEN 1 ELSE 0 END),
       PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY DATEDIFF(millisecond, arrived_at, at)),
       PERCENTILE_CONT(0.99) WITHIN GROUP (ORDER BY DATEDIFF(millisecond, arrived_at, at)),
       BOOL_OR(is_rebuilt)
FROM streamed_checked, streamed_tick;
