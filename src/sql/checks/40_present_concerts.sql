-- check: concerts has every required value
-- expect: = 0
SELECT COUNT(*)
FROM concert_dw.concerts
WHERE concert_id IS NULL OR concert_id = ''
   OR artist_id IS NULL OR artist_id = ''
   OR venue_id IS NULL OR venue_id = ''
   OR starts_at IS NULL;
