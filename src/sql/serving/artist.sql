-- The artists of a name or a key.
SELECT artist_id, name, genre, popularity
FROM concert_dw.artists
WHERE name = :name OR artist_id = :name
ORDER BY artist_id;
