-- One row per concert with sales: the tickets that were sold so many days before the show, and all
-- that are sold by now.
SELECT c.concert_id,
       SUM(CASE WHEN s.purchased_at <= DATEADD(day, -42, c.starts_at) THEN s.quantity ELSE 0 END)
           AS sold_42,
       SUM(CASE WHEN s.purchased_at <= DATEADD(day, -28, c.starts_at) THEN s.quantity ELSE 0 END)
           AS sold_28,
       SUM(CASE WHEN s.purchased_at <= DATEADD(day, -14, c.starts_at) THEN s.quantity ELSE 0 END)
           AS sold_14,
       SUM(CASE WHEN s.purchased_at <= DATEADD(day, -7, c.starts_at) THEN s.quantity ELSE 0 END)
           AS sold_7,
       SUM(CASE WHEN s.purchased_at <= DATEADD(day, -3, c.starts_at) THEN s.quantity ELSE 0 END)
           AS sold_3,
       SUM(CASE WHEN s.purchased_at <= DATEADD(day, -1, c.starts_at) THEN s.quantity ELSE 0 END)
           AS sold_1,
       SUM(s.quantity) AS sold_now,
       MAX(s.purchased_at) AS newest_sale
FROM concert_dw.ticket_sales s
JOIN concert_dw.concerts c ON c.concert_id = s.concert_id
GROUP BY c.concert_id
ORDER BY c.concert_id;
