-- check: capacity lies in 1 to 500,000
-- expect: = 0
SELECT COUNT(*) FROM concert_dw.venues WHERE capacity < 1 OR capacity > 500000;
