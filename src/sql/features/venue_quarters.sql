-- One row per venue and calendar quarter: how full, how much, how often; and what was already
-- on sale for the quarter on its first day, which a forecast made the day before may use.
-- Venues whose capacity is not known are left out. Means are taken over double precision: Redshift's
-- AVG of a decimal keeps the decimal's scale.
WITH shows AS (
    SELECT c.concert_id, c.venue_id, c.starts_at,
           CAST(c.base_price AS DOUBLE PRECISION) AS base_price,
           CAST(a.popularity AS DOUBLE PRECISION) AS popularity,
           DATE_TRUNC('quarter', c.starts_at) AS quarter,
           CASE WHEN COALESCE(c.on_sale_at, DATEADD(day, -60, c.starts_at))
                     < DATE_TRUNC('quarter', c.starts_at) THEN 1 ELSE 0 END AS is_booked
    FROM concert_dw.concerts c
    JOIN concert_dw.artists a ON a.artist_id = c.artist_id
)
SELECT v.venue_id, v.name, v.city, v.venue_type, v.capacity, s.quarter,
       COUNT(*) AS concerts,
       SUM(COALESCE(sold.tickets, 0)) AS tickets,
       SUM(COALESCE(sold.revenue, 0)) AS revenue,
       SUM(s.is_booked) AS booked,
       AVG(CASE WHEN s.is_booked = 1 THEN s.popularity END) AS booked_popularity,
       AVG(CASE WHEN s.is_booked = 1 THEN s.base_price END) AS booked_price
FROM shows s
JOIN concert_dw.venues v ON v.venue_id = s.venue_id
LEFT JOIN (
    SELECT concert_id, SUM(quantity) AS tickets, SUM(total_amount) AS revenue
    FROM concert_dw.ticket_sales
    GROUP BY concert_id
) AS sold ON sold.concert_id = s.concert_id
WHERE v.capacity IS NOT NULL
GROUP BY v.venue_id, v.name, v.city, v.venue_type, v.capacity, s.quarter
ORDER BY s.quarter, v.venue_id;
