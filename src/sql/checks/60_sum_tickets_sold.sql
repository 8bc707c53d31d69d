-- check: the sales of each concert add up to its tickets_sold
-- expect: = 0
SELECT COUNT(*)
FROM concert_dw.concerts c
LEFT JOIN (
    SELECT concert_id, SUM(quantity) AS sold
    FROM concert_dw.ticket_sales
    GROUP BY concert_id
) AS s ON s.concert_id = c.concert_id
WHERE c.tickets_sold <> COALESCE(s.sold, 0);
