-- check: artists has every required value
-- expect: = 0
SELECT COUNT(*)
FROM concert_dw.artists
WHERE artist_id IS NULL OR artist_id = ''
   OR name IS NULL OR name = '';
