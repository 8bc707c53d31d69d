-- Sales that are loaded although they are unusual: reported, never rejected.
SELECT 'sold more than a day after the show began' AS what, COUNT(*) AS records
FROM concert_dw.ticket_sales s
JOIN concert_dw.concerts c ON c.concert_id = s.concert_id
WHERE s.purchased_at > DATEADD(day, 1, c.starts_at)
UNION ALL
SELECT 'sold for a cancelled concert' AS what, COUNT(*) AS records
FROM concert_dw.ticket_sales s
JOIN concert_dw.concerts c ON c.concert_id = s.concert_id
WHERE c.status IN ('cancelled', 'canceled')
ORDER BY what;
