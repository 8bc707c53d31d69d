-- The venues of a name or a key.
SELECT venue_id, name, city, venue_type, capacity
FROM concert_dw.venues
WHERE name = :name OR venue_id = :name
ORDER BY venue_id;
