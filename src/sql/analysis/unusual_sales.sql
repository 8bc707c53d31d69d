-- Sales that are loaded although they are unusual: reported, never rejected.
WITH sales_by_concert AS (
    SELECT concert_id, COUNT(*) AS records, SUM(quantity) AS tickets,
           SUM(total_amount) AS revenue, MAX(purchased_at) AS last_at
    FROM concert_dw.ticket_sales
    GROUP BY concert_id
)
SELECT 'sold more than a day after the show began' AS what, COUNT(*) AS records
FROM (
    SELECT c.concert_id, DATEADD(day, 1, c.starts_at) AS ends_at
    FROM sales_by_concert b
    JOIN concert_dw.concerts c ON c.concert_id = b.concert_id
    WHERE b.last_at > DATEADD(day, 1, c.starts_at)
) AS late
JOIN concert_dw.ticket_sales s ON s.concert_id = late.concert_id AND s.purchased_at > late.ends_at
UNION ALL
SELECT 'sold for a cancelled concert' AS what, COALESCE(SUM(b.records), 0) AS records
FROM sales_by_concert b
JOIN concert_dw.concerts c ON c.concert_id = b.concert_id
WHERE c.status IN ('cancelled', 'canceled')
ORDER BY what;
