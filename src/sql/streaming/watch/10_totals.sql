-- What became of all records, and how far the newest step was behind the stream.
SELECT t.records, t.sales, t.rejected, t.duplicates, t.late, l.ingested_at, l.delay_p50_ms,
       l.delay_p99_ms
FROM (SELECT SUM(records) AS records, SUM(sales) AS sales, SUM(rejected) AS rejected,
             SUM(duplicates) AS duplicates, SUM(late) AS late, MAX(ingested_at) AS newest
      FROM concert_live.ingest_log) t
JOIN concert_live.ingest_log l ON l.ingested_at = t.newest
LIMIT 1;
