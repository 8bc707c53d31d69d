-- Finished shows most like a concert: another artist, venue, size, popularity or price each adds to
-- the distance. Their tickets are counted only where the concert itself does not state them.
WITH nearest AS (
    SELECT c.concert_id, a.name AS artist, v.name AS venue, v.city, c.starts_at, c.base_price,
           v.capacity, c.tickets_sold,
           CASE WHEN c.artist_id = :artist_id THEN 0 ELSE 1 END
           + CASE WHEN c.venue_id = :venue_id THEN 0 ELSE 0.5 END
           + ABS(LN(CAST(v.capacity AS DOUBLE PRECISION) / CAST(:capacity AS DOUBLE PRECISION)))
           + ABS(COALESCE(a.popularity, 0) - CAST(:popularity AS DOUBLE PRECISION)) / 20
           + ABS(LN(CAST(c.base_price AS DOUBLE PRECISION)
                    / CAST(:base_price AS DOUBLE PRECISION))) AS distance
    FROM concert_dw.concerts c
    JOIN concert_dw.artists a ON a.artist_id = c.artist_id
    JOIN concert_dw.venues v ON v.venue_id = c.venue_id
    WHERE v.capacity > 0 AND c.base_price > 0
      AND COALESCE(c.status, CASE WHEN c.starts_at <= CAST(:as_of AS TIMESTAMP)
                                  THEN 'completed' ELSE 'on_sale' END) = 'completed'
    ORDER BY distance, c.starts_at DESC, c.concert_id
    LIMIT 5
)
SELECT n.artist, n.venue, n.city, n.starts_at, n.base_price, n.capacity,
       COALESCE(n.tickets_sold, SUM(s.quantity), 0) AS tickets
FROM nearest n
LEFT JOIN concert_dw.ticket_sales s ON s.concert_id = n.concert_id
GROUP BY n.artist, n.venue, n.city, n.starts_at, n.base_price, n.capacity, n.tickets_sold,
         n.distance, n.concert_id
ORDER BY n.distance, n.starts_at DESC, n.concert_id;
