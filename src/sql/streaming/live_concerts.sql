-- The concerts still to come, as the producer of live sales sees them. Times are seconds since 1970.
SELECT c.concert_id,
       CAST(EXTRACT(EPOCH FROM c.starts_at) AS BIGINT) AS starts_at,
       CAST(EXTRACT(EPOCH FROM COALESCE(c.on_sale_at, DATEADD(day, -60, c.starts_at))) AS BIGINT)
           AS on_sale_at,
       CAST(ROUND(COALESCE(c.base_price, 50) * 100) AS BIGINT) AS price_cents,
       COALESCE(v.capacity, 500000) AS capacity,
       COALESCE(s.sold, 0) AS sold,
       COALESCE(a.popularity, 0) AS popularity,
       CAST(EXTRACT(EPOCH FROM n.as_of) AS BIGINT) AS as_of
FROM concert_dw.concerts c
LEFT JOIN concert_dw.venues v ON v.venue_id = c.venue_id
LEFT JOIN concert_dw.artists a ON a.artist_id = c.artist_id
CROSS JOIN (SELECT MAX(purchased_at) AS as_of FROM concert_dw.ticket_sales
            WHERE streamed_at IS NULL) n
LEFT JOIN (SELECT concert_id, SUM(quantity) AS sold FROM concert_dw.ticket_sales
           GROUP BY concert_id) s ON s.concert_id = c.concert_id
WHERE c.starts_at > n.as_of
ORDER BY c.concert_id
