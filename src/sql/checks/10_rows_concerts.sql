-- check: concerts holds exactly the rows of the source
-- expect: = :rows_concerts
SELECT COUNT(*) FROM concert_dw.concerts;
