-- check: artists holds exactly the rows of the source
-- expect: = :rows_artists
SELECT COUNT(*) FROM concert_dw.artists;
