-- Tickets by twentieths of the time from on-sale to show, of the concerts that are over.
SELECT LEAST(FLOOR(20.0 * DATEDIFF(second, c.on_sale_at, s.purchased_at)
                   / DATEDIFF(second, c.on_sale_at, c.starts_at)), 19) AS twentieth,
       SUM(s.quantity) AS tickets
FROM concert_dw.ticket_sales s
JOIN concert_dw.concerts c ON c.concert_id = s.concert_id
WHERE s.streamed_at IS NULL AND c.status = 'completed' AND c.starts_at > c.on_sale_at
  AND s.purchased_at >= c.on_sale_at
GROUP BY twentieth
ORDER BY twentieth
