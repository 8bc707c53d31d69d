-- check: no two artists rows share a key
-- expect: = 0
SELECT COUNT(*) - COUNT(DISTINCT artist_id) FROM concert_dw.artists;
