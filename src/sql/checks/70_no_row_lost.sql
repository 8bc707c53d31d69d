-- check: loaded rows + rejected rows = raw records
-- expect: = :records
SELECT SUM(source_rows) + SUM(rejected_rows)
FROM concert_dw.load_history
WHERE run_id = :run_id;
