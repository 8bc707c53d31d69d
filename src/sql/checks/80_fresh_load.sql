-- check: this run loaded all four tables
-- expect: = 4
SELECT COUNT(DISTINCT table_name) FROM concert_dw.load_history WHERE run_id = :run_id;
