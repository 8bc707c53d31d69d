-- The ten venues with the highest revenue, and how full their finished shows were.
WITH sales_by_concert AS (
    SELECT concert_id, COUNT(*) AS records, SUM(quantity) AS tickets,
           SUM(total_amount) AS revenue, MAX(purchased_at) AS last_at
    FROM concert_dw.ticket_sales
    GROUP BY concert_id
)
SELECT v.venue_id, v.name, v.city, v.capacity,
       COUNT(*) AS concerts,
       SUM(sold.tickets) AS tickets,
       SUM(sold.revenue) AS revenue,
       SUM(CASE WHEN c.status = 'completed' THEN sold.tickets END)
           / CAST(SUM(CASE WHEN c.status = 'completed' THEN v.capacity END) AS FLOAT) AS sell_through
FROM concert_dw.concerts c
JOIN concert_dw.venues v ON v.venue_id = c.venue_id
JOIN sales_by_concert sold ON sold.concert_id = c.concert_id
GROUP BY v.venue_id, v.name, v.city, v.capacity
ORDER BY revenue DESC, v.venue_id
LIMIT 10;
