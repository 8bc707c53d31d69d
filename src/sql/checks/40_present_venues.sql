-- check: venues has every required value
-- expect: = 0
SELECT COUNT(*)
FROM concert_dw.venues
WHERE venue_id IS NULL OR venue_id = ''
   OR name IS NULL OR name = ''
   OR city IS NULL OR city = '';
