-- check: popularity is between 0 and 100
-- expect: = 0
SELECT COUNT(*) FROM concert_dw.artists WHERE popularity < 0 OR popularity > 100;
