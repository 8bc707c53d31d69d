-- check: the share of rejected rows is acceptable
-- expect: <= :max_rejected_share
SELECT ROUND(rejected.n / CAST(GREATEST(rejected.n + loaded.n, 1) AS DECIMAL(20,6)), 6)
FROM (SELECT COUNT(*) AS n FROM concert_dw.rejected_records WHERE run_id <> 'stream') AS rejected,
     (SELECT SUM(source_rows) AS n FROM concert_dw.load_history WHERE run_id = :run_id) AS loaded;
