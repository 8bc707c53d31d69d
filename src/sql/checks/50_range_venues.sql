-- check: capacity is between 1 and 500,000
-- expect: = 0
SELECT COUNT(*) FROM concert_dw.venues WHERE capacity < 1 OR capacity > 500000;
