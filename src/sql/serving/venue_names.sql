-- The names of all venues.
SELECT DISTINCT name FROM concert_dw.venues ORDER BY name;
