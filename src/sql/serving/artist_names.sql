-- The names of all artists.
SELECT DISTINCT name FROM concert_dw.artists ORDER BY name;
