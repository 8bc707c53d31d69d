-- check: no two venues rows share a key
-- expect: = 0
SELECT COUNT(*) - COUNT(DISTINCT venue_id) FROM concert_dw.venues;
