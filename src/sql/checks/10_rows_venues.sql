-- check: venues holds exactly the rows of the source
-- expect: = :rows_venues
SELECT COUNT(*) FROM concert_dw.venues;
