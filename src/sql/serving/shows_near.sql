-- The city's shows within a week that are on sale before: the competition of a concert, as
-- features/ticket_sales.sql counts it.
SELECT COUNT(*) AS shows
FROM concert_dw.concerts c
JOIN concert_dw.venues v ON v.venue_id = c.venue_id
WHERE v.city = :city
  AND c.starts_at BETWEEN DATEADD(day, -7, CAST(:starts_at AS TIMESTAMP))
                      AND DATEADD(day, 7, CAST(:starts_at AS TIMESTAMP))
  AND COALESCE(c.on_sale_at, DATEADD(day, -60, c.starts_at)) < CAST(:on_sale_at AS TIMESTAMP);
