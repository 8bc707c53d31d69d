-- check: no two concerts rows share a key
-- expect: = 0
SELECT COUNT(*) - COUNT(DISTINCT concert_id) FROM concert_dw.concerts;
