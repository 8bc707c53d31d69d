-- check: every rejected row is in the quarantine
-- expect: = :rejected_rows
SELECT COUNT(*) FROM concert_dw.rejected_records WHERE run_id = :run_id;
